//! What must hold for any bytes at all: a value or an error, never a panic, and what was read can
//! be written and read again. The targets in `fuzz_targets` call these; the tests below run them
//! on a few thousand damaged files with any compiler.

use std::collections::BTreeMap;
use std::path::Path;

use isomorph_io::safetensors::{self as tensors, TensorRef};
use isomorph_io::tensor::{Values, ValuesRef};
use isomorph_io::text::{self as vectors, InvalidUtf8, Params, ReadOptions, TextVectors, Vectors};
use isomorph_io::{Quiet, npy as matrices};

/// Read `data` as text vectors, whole and in tiny pieces: the answers agree.
pub fn text(data: &[u8]) {
    with_file(data, |path| {
        let whole = read_text(path, Params::default());
        let pieces = read_text(path, Params { chunk: 5, ..Params::default() });
        match (&whole, &pieces) {
            (Ok(a), Ok(b)) => assert_eq!(a, b),
            (Err(a), Err(b)) => assert_eq!(a, b),
            _ => panic!("cut differently, {whole:?} became {pieces:?}"),
        }
        let Ok(read) = whole else { return };
        assert_eq!(read.vectors.len(), read.words.len() * read.dimension);
        assert!(read.vectors.iter().all(|value| value.is_finite()));
        assert!(read.words.len() <= read.rows_read);
        let again = path.with_extension("again");
        let parts =
            Vectors { words: &read.words, values: &read.vectors, dimension: read.dimension };
        if vectors::write(&again, parts, false, Params::default(), &Quiet).is_ok() {
            let back = read_text(&again, Params::default()).expect("what was written can be read");
            assert_eq!((&back.words, bits(&back.vectors)), (&read.words, bits(&read.vectors)));
        }
    });
}

/// Read `data` as a NumPy matrix.
pub fn npy(data: &[u8]) {
    with_file(data, |path| {
        let header = matrices::read_header(path);
        let Ok(matrix) = matrices::read(path, None, &Quiet) else { return };
        let header = header.expect("a file that is read has a header");
        assert_eq!((header.rows, header.columns), (matrix.rows, matrix.columns));
        assert_eq!(matrix.values.len(), matrix.rows * matrix.columns);
        let part = matrices::read(path, Some(1), &Quiet).expect("the first row can be read, too");
        assert_eq!(part.rows, matrix.rows.min(1));
        let again = path.with_extension("again");
        let shape = (matrix.rows, matrix.columns);
        matrices::write(&again, borrowed(&matrix.values), shape, None, &Quiet)
            .expect("a matrix that was read can be written");
        let back = matrices::read(&again, None, &Quiet).expect("what was written can be read");
        assert_eq!(raw(&back.values), raw(&matrix.values));
    });
}

/// Read `data` as named tensors.
pub fn safetensors(data: &[u8]) {
    with_file(data, |path| {
        let header = tensors::read_header(path);
        let Ok((read, metadata)) = tensors::read(path, None, &Quiet) else { return };
        let header = header.expect("a file that is read has a header");
        assert_eq!(header.tensors.len(), read.len());
        assert_eq!(header.metadata, metadata);
        let borrowed: BTreeMap<_, _> = read
            .iter()
            .map(|(name, tensor)| {
                assert_eq!(tensor.shape.iter().product::<usize>(), tensor.values.len());
                let values = borrowed(&tensor.values);
                (name.clone(), TensorRef { shape: tensor.shape.clone(), values })
            })
            .collect();
        let again = path.with_extension("again");
        if tensors::write(&again, &borrowed, &metadata, &Quiet).is_ok() {
            let (back, same) = tensors::read(&again, None, &Quiet).expect("what was written");
            assert_eq!(same, metadata);
            assert!(back.keys().eq(read.keys()));
            assert!(
                back.iter().all(|(name, tensor)| raw(&tensor.values) == raw(&read[name].values))
            );
        }
    });
}

/// Read `data` as a list of words.
pub fn words(data: &[u8]) {
    with_file(data, |path| {
        for invalid in [InvalidUtf8::Error, InvalidUtf8::Replace] {
            let Ok(words) = isomorph_io::words::read_list(path, invalid, &Quiet) else { continue };
            assert_eq!(words.iter().len(), words.len());
            let again = path.with_extension("again");
            if isomorph_io::words::write_list(&again, &words).is_ok() {
                let back = isomorph_io::words::read_list(&again, InvalidUtf8::Error, &Quiet)
                    .expect("what was written can be read");
                assert_eq!(back, words);
            }
        }
    });
}

fn read_text(path: &Path, params: Params) -> Result<TextVectors, String> {
    let options = ReadOptions { params, ..ReadOptions::default() };
    vectors::read(path, &options, &Quiet).map_err(|error| error.to_string())
}

fn with_file(data: &[u8], check: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder for the file");
    let path = folder.path().join("input");
    std::fs::write(&path, data).expect("the file can be written");
    check(&path);
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// The bits of the values: NaN, too, must come back as it was.
fn raw(values: &Values) -> Vec<u64> {
    match values {
        Values::F32(values) => values.iter().map(|v| u64::from(v.to_bits())).collect(),
        Values::F64(values) => values.iter().map(|v| v.to_bits()).collect(),
        other => vec![other.len() as u64],
    }
}

macro_rules! borrowed {
    ($($variant:ident),*) => {
        fn borrowed(values: &Values) -> ValuesRef<'_> {
            match values {
                $(Values::$variant(values) => ValuesRef::$variant(values)),*
            }
        }
    };
}
borrowed!(F32, F64, I8, I16, I32, I64, U8, U16, U32, U64, Bool);

#[cfg(test)]
mod tests {
    /// Marsaglia's xorshift: the same damage on every run.
    struct Damage(u64);

    impl Damage {
        fn next(&mut self, below: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % below.max(1) as u64) as usize
        }

        fn apply(&mut self, seed: &[u8]) -> Vec<u8> {
            let mut data = seed.to_vec();
            for _ in 0..=self.next(3) {
                let place = self.next(data.len());
                match self.next(4) {
                    0 => data.truncate(place),
                    1 if !data.is_empty() => data[place] = self.next(256) as u8,
                    2 => data.insert(place, b" \n\t0-9.e{}[]"[self.next(12)]),
                    _ if !data.is_empty() => drop(data.remove(place)),
                    _ => {}
                }
            }
            data
        }
    }

    fn survive(check: fn(&[u8]), seeds: &[Vec<u8>]) {
        let mut damage = Damage(0x9E37_79B9_7F4A_7C15);
        for seed in seeds {
            check(seed);
            for end in 0..seed.len() {
                check(&seed[..end]);
            }
            for _ in 0..500 {
                check(&damage.apply(seed));
            }
        }
    }

    #[test]
    fn damaged_text() {
        let seeds =
            ["2 3\ncat 1 2 3\ndog -1e-3 0.5 4\n", "a b 1 2\nc\t3  4\r\nc 5 6\n", "1 1\nx 1"];
        survive(super::text, &seeds.map(|text| text.as_bytes().to_vec()));
    }

    #[test]
    fn damaged_matrices() {
        let seed = |header: &str, bytes: usize| {
            let mut file = b"\x93NUMPY\x01\x00".to_vec();
            let padded = format!("{header:<117}\n");
            file.extend((padded.len() as u16).to_le_bytes());
            file.extend(padded.as_bytes());
            file.extend((0..bytes).map(|byte| byte as u8));
            file
        };
        survive(
            super::npy,
            &[
                seed("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24),
                seed("{'descr': '>f8', 'fortran_order': True, 'shape': (3, 2), }", 48),
                seed("{'descr': '<f2', 'fortran_order': False, 'shape': (4,), }", 8),
            ],
        );
    }

    #[test]
    fn damaged_tensors() {
        let header = br#"{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header);
        file.extend([0; 16]);
        survive(super::safetensors, &[file]);
    }

    #[test]
    fn damaged_word_lists() {
        survive(
            super::words,
            &["cat\ndog\n".into(), "\u{feff}été\r\n\u{a0}\n".as_bytes().to_vec()],
        );
    }
}
