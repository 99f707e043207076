//! Text vectors: every way of cutting the work gives the same answer, every fault its own error.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::path::PathBuf;

use isomorph_io::text::{InvalidUtf8, Params, ReadOptions, TextVectors, Vectors, read, write};
use isomorph_io::{Duplicates, Error, Quiet, Watch, Words};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join("x.vec");
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn on<T: Send>(threads: usize, job: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(job)
}

fn with(bytes: impl AsRef<[u8]>, options: &ReadOptions) -> Result<TextVectors, Error> {
    read(&Folder::new().file(bytes), options, &Quiet)
}

fn plain(bytes: impl AsRef<[u8]>) -> Result<TextVectors, Error> {
    with(bytes, &ReadOptions::default())
}

fn words(vectors: &TextVectors) -> Vec<&str> {
    vectors.words.iter().collect()
}

/// The outcome as text, errors included.
fn outcome(result: Result<TextVectors, Error>) -> String {
    match result {
        Ok(vectors) => format!("{vectors:?}"),
        Err(error) => {
            let text = error.to_string();
            text[text.find("x.vec").unwrap()..].to_string()
        }
    }
}

#[test]
fn header_or_none_tabs_odd_spaces_and_line_ends() {
    for text in [
        "2 3\na 1 2 3\nb 4 5 6\n",
        "a 1 2 3\nb 4 5 6\n",
        "a 1 2 3\nb 4 5 6",
        "2 3 \r\na 1 2 3 \r\nb 4 5 6 \r\n",
        "\u{feff}2\t3\n\na\t1  2 3\t\n \t\n\n b 4 5 6\n\n",
    ] {
        for bytes in [text.as_bytes().to_vec(), gzip(text.as_bytes())] {
            let read = plain(bytes).unwrap();
            assert_eq!(words(&read), ["a", "b"], "{text:?}");
            assert_eq!(read.vectors, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "{text:?}");
            assert_eq!((read.dimension, read.rows_read), (3, 2));
        }
    }
}

#[test]
fn neither_chunks_nor_threads_nor_compression_change_the_outcome() {
    let good = "4 2\na 1 2\n\nlonger\u{a0}word 0.25 -3e-2 \r\nnew york 5 6\nz 7 8\n";
    let texts = [
        good.to_string(),
        good.replace("4 2\n", ""),
        good.replace("4 2\n", "5 2\n"),
        good.replace("4 2\n", "3 2\n"),
        good.replace("-3e-2", "x"),
        good.replace("5 6", "5 nan") + "q 1\n",
        good.replace("z", "a"),
        "\n\n3 1\n\na 1\n\n\nb 2\nc 3\n\n\n".to_string(),
    ];
    let folder = Folder::new();
    for text in &texts {
        for duplicates in [Duplicates::First, Duplicates::Last, Duplicates::Error] {
            let mut seen = Vec::new();
            for bytes in [text.as_bytes().to_vec(), gzip(text.as_bytes())] {
                let path = folder.file(bytes);
                for chunk in [1, 2, 3, 7, 16, 1 << 18] {
                    for threads in [1, 2, 3, 7] {
                        let options = ReadOptions {
                            duplicates,
                            params: Params { chunk, ..Params::default() },
                            ..ReadOptions::default()
                        };
                        let read = on(threads, || read(&path, &options, &Quiet));
                        seen.push(outcome(read));
                    }
                }
            }
            seen.dedup();
            assert_eq!(seen.len(), 1, "{text:?}: {seen:#?}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_gives_a_prefix_or_an_error() {
    let text = "3 2\nab 1.5 2\ncd 3 4\nef 5 6.25\n";
    for cut in 0..text.len() {
        let cut_plain = plain(&text[..cut]);
        match cut_plain {
            // Only the last line feed, or last digits of the last number, may be missed.
            Ok(read) => {
                assert_eq!(words(&read), ["ab", "cd", "ef"], "{cut}");
                assert!(cut >= text.len() - 4, "{cut}");
            }
            Err(error) => assert!(!matches!(error, Error::Io { .. }), "{cut}: {error}"),
        }
    }
    let packed = gzip(text.as_bytes());
    for cut in 0..packed.len() {
        let error = plain(&packed[..cut]).unwrap_err();
        assert!(!matches!(error, Error::Io { .. }), "{cut}: {error}");
    }
}

#[test]
fn several_gzip_members_are_one_text() {
    let mut bytes = gzip(b"2 1\na 1\n");
    bytes.extend(gzip(b"b 2\n"));
    assert_eq!(words(&plain(bytes).unwrap()), ["a", "b"]);
}

#[test]
fn limit_reads_the_first_rows_and_not_what_follows() {
    let limit = |text: &str, limit| {
        let options = ReadOptions { limit: Some(limit), ..ReadOptions::default() };
        with(text, &options)
    };
    for text in ["9 1\na 1\n\nb 2\na 3\nbroken", "a 1\n\nb 2\na 3\nbroken"] {
        assert_eq!(words(&limit(text, 1).unwrap()), ["a"]);
        assert_eq!(words(&limit(text, 2).unwrap()), ["a", "b"]);
        let three = limit(text, 3).unwrap();
        assert_eq!((words(&three), three.rows_read), (vec!["a", "b"], 3));
        assert!(limit(text, 4).is_err());
    }
    assert_eq!(words(&limit("2 1\na 1\nb 2\n", 5).unwrap()), ["a", "b"]);
}

#[test]
fn an_empty_table_keeps_its_dimension() {
    let read = plain("0 7\n").unwrap();
    assert_eq!((read.words.len(), read.vectors.len(), read.dimension), (0, 0, 7));
}

#[test]
fn a_first_row_of_two_integers_is_read_on_request() {
    let options = ReadOptions { header: Some(false), ..ReadOptions::default() };
    let read = with("5 7\n6 8\n", &options).unwrap();
    assert_eq!(words(&read), ["5", "6"]);
    assert_eq!(read.vectors, [7.0, 8.0]);
}

#[test]
fn invalid_utf8_is_replaced_on_request() {
    let bytes = b"a\xFFb\xE2\x28 1 2\n";
    let options = ReadOptions { invalid_utf8: InvalidUtf8::Replace, ..ReadOptions::default() };
    assert_eq!(words(&with(bytes, &options).unwrap()), ["a\u{fffd}b\u{fffd}("]);
    assert!(matches!(plain(bytes), Err(Error::NotUtf8 { line: 1, .. })));
}

/// `fault!(text, variant, line)`: the text gives that error at that line.
macro_rules! fault {
    ($text:expr, $variant:ident, $line:expr) => {
        match plain($text) {
            Err(Error::$variant { line, .. }) => assert_eq!(line, $line),
            other => panic!("{other:?}"),
        }
    };
}

#[test]
fn each_fault_of_a_file_has_its_own_error() {
    assert!(matches!(plain(""), Err(Error::Empty { .. })));
    assert!(matches!(plain("\n \n\n"), Err(Error::Empty { .. })));
    assert!(matches!(plain(gzip(b"")), Err(Error::Empty { .. })));
    fault!("2 0\na\nb\n", DimensionZero, 1);
    fault!("1 99999999999999999999\na 1\n", DimensionTooLarge, 1);
    fault!("99999999999999999999 300\na 1\n", HeaderExceedsFile, 1);
    fault!("4 1\na 1\nb 1\n", HeaderExceedsFile, 1);
    fault!("3 1\nabcdefgh 1\nb 1\n", RowsMissing, 3);
    fault!(gzip(b"99999999999999999999 1\na 1\n"), RowsMissing, 2);
    fault!("1 1\na 1\n\nb 1\n", RowsExtra, 4);
    fault!("2 3\nabc 1 2\nb 1 2 3\n", HeaderDimension, 2);
    fault!("1 2\na 1 2 3\n", HeaderDimension, 2);
    fault!("hello world\n", NoNumbers, 1);
    fault!("a 1 2\nb 1\n", TooFewNumbers, 2);
    fault!("a 1 2\nb 1 2 3\n", TooManyNumbers, 2);
    fault!("a 1 2\n 1 2\n", NoWord, 2);
    fault!("a 1 2\nb 1 x\n", NotNumber, 2);
    fault!("a 1 2\nb 1 1e99\n", NonFinite, 2);
    fault!("a 1 2\nb\0 1 x\n", Binary, 2);
    fault!(b"1 2\n\0\x01\xff\0\0\0\0\0", Binary, 2);
    let options = |header, longest_line| ReadOptions {
        header,
        duplicates: Duplicates::Error,
        params: Params { longest_line, chunk: 8, ..Params::default() },
        ..ReadOptions::default()
    };
    let long = format!("a 1\nb {}\n", "1".repeat(100));
    let error = with(long, &options(None, 64)).unwrap_err();
    assert!(matches!(error, Error::LineTooLong { line: 2, .. }), "{error}");
    let error = with("a 1\n", &options(Some(true), 64)).unwrap_err();
    assert!(matches!(error, Error::NoHeader { line: 1, .. }), "{error}");
    let error = with("\na 1\n\nb 1\n\na 2\n", &options(None, 64)).unwrap_err();
    assert!(matches!(error, Error::Duplicate { line: 6, first: 2, .. }), "{error}");
}

#[test]
fn a_missing_file_and_a_folder_are_the_systems_errors() {
    let folder = Folder::new();
    for path in [folder.0.path().join("none"), folder.0.path().to_path_buf()] {
        let error = read(&path, &ReadOptions::default(), &Quiet).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
}

/// Stops after some calls.
struct Stop(std::sync::atomic::AtomicUsize);

impl Watch for Stop {
    fn advance(&self, _bytes: u64) -> bool {
        use std::sync::atomic::Ordering::Relaxed;
        self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
    }
}

fn sample(rows: usize) -> (Words, Vec<f32>) {
    let words = (0..rows).map(|row| format!("w{row}")).collect();
    let mut bits = 1_u32;
    let values = std::iter::repeat_with(|| {
        bits = bits.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from_bits(bits)
    });
    (words, values.filter(|value| value.is_finite()).take(rows * 5).collect())
}

#[test]
fn what_is_written_is_read_bit_for_bit_on_any_threads() {
    let folder = Folder::new();
    let (words, values) = sample(1_000);
    let vectors = Vectors { words: &words, values: &values, dimension: 5 };
    let mut files = Vec::new();
    for threads in [1, 2, 3, 7] {
        for rows in [1, 7, 256, 5_000] {
            let path = folder.0.path().join("x.vec");
            let params = Params { rows, ..Params::default() };
            on(threads, || write(&path, vectors, false, params, &Quiet)).unwrap();
            files.push(std::fs::read(&path).unwrap());
        }
    }
    files.dedup();
    assert_eq!(files.len(), 1);
    let path = folder.0.path().join("x.vec");
    for gzip in [false, true] {
        write(&path, vectors, gzip, Params::default(), &Quiet).unwrap();
        let read = read(&path, &ReadOptions::default(), &Quiet).unwrap();
        assert_eq!(read.words, words);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&read.vectors), bits(&values));
    }
}

#[test]
fn a_write_that_fails_or_is_cancelled_leaves_the_old_file_and_nothing_else() {
    let folder = Folder::new();
    let path = folder.file("old");
    let (words, mut values) = sample(1_000);
    let params = Params { rows: 10, ..Params::default() };
    for stop_after in [0, 1, 50] {
        let vectors = Vectors { words: &words, values: &values, dimension: 5 };
        let error = write(&path, vectors, false, params, &Stop(stop_after.into())).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    }
    values[4_999] = f32::NAN;
    let vectors = Vectors { words: &words, values: &values, dimension: 5 };
    let error = write(&path, vectors, false, params, &Quiet).unwrap_err();
    assert!(matches!(error, Error::Unwritable { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 1);
}

#[test]
fn a_read_can_be_cancelled() {
    let folder = Folder::new();
    let path = folder.file("a 1\n".repeat(10_000));
    let options = ReadOptions {
        params: Params { chunk: 100, ..Params::default() },
        ..ReadOptions::default()
    };
    let error = read(&path, &options, &Stop(3.into())).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    // Also where there is nothing to hand out.
    for text in ["\n".repeat(10_000), "a 1\n".to_string() + &"\n".repeat(10_000)] {
        let path = folder.file(text);
        let error = read(&path, &options, &Stop(3.into())).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    }
}

#[test]
fn words_that_could_not_be_read_back_are_not_written() {
    let folder = Folder::new();
    let path = folder.0.path().join("x.vec");
    for bad in ["", " a", "a ", "a\tb\nc", "in 1999", "\t"] {
        let words: Words = [bad].into_iter().collect();
        let vectors = Vectors { words: &words, values: &[1.0], dimension: 1 };
        let error = write(&path, vectors, false, Params::default(), &Quiet).unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{bad:?}: {error}");
    }
    for good in ["a", "new york", "\u{a0}", "5", "a\rb", "\u{2028}"] {
        let words: Words = [good].into_iter().collect();
        let vectors = Vectors { words: &words, values: &[1.0], dimension: 1 };
        write(&path, vectors, false, Params::default(), &Quiet).unwrap();
        let read = read(&path, &ReadOptions::default(), &Quiet).unwrap();
        assert_eq!(read.words, words);
    }
}

#[test]
fn a_link_stays_a_link_and_the_mode_stays() {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let folder = Folder::new();
        let target = folder.file("old");
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o640)).unwrap();
        let link = folder.0.path().join("link");
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let words: Words = ["a"].into_iter().collect();
        let vectors = Vectors { words: &words, values: &[1.0], dimension: 1 };
        write(&link, vectors, false, Params::default(), &Quiet).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(std::fs::read(&target).unwrap(), b"1 1\na 1.0\n");
        let mode = std::fs::metadata(&target).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
}
