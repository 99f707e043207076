//! Named tensors and string metadata in one file, in the safetensors format.
//!
//! Written bytes depend on the content only: tensors and metadata are sorted by name.

use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use crate::atomic::AtomicFile;
use crate::source::Source;
use crate::tensor::{self, Values, ValuesRef};
use crate::{Error, Result, Watch};

/// Bytes of the number that says how long the header is.
const PREFIX: u64 = 8;

/// The format's own limit on the header, checked before it is read.
const MAX_HEADER: u64 = 100_000_000;

/// A tensor to be written.
#[derive(Debug, Clone)]
pub struct TensorRef<'a> {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, in C order.
    pub values: ValuesRef<'a>,
}

/// A tensor that was read; float16 and bfloat16 come as float32.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, in C order.
    pub values: Values,
}

/// What the header of a file says.
#[derive(Debug)]
pub struct Header {
    /// Name, type and shape of each tensor, in the order of the file.
    pub tensors: Vec<(String, String, Vec<usize>)>,
    /// The metadata.
    pub metadata: BTreeMap<String, String>,
}

/// Read the tensors of `path`, all or the named ones, and the metadata.
///
/// The header is checked against the size of the file before anything is allocated for a tensor.
///
/// # Errors
/// [`Error::Safetensors`], [`Error::TensorType`], [`Error::Empty`], [`Error::Io`],
/// [`Error::NotRegular`], [`Error::Memory`], [`Error::Cancelled`].
pub fn read(
    path: &Path,
    names: Option<&[String]>,
    watch: &dyn Watch,
) -> Result<(BTreeMap<String, Tensor>, BTreeMap<String, String>)> {
    let mut source = Source::open(path)?;
    let metadata = read_metadata(&mut source)?;
    watch.start(metadata.data_len() as u64);
    let mut tensors = BTreeMap::new();
    // In the order of the file, which the header's check has found to be without gaps.
    for name in metadata.offset_keys() {
        if let Some(info) = metadata.info(&name) {
            if names.is_some_and(|names| !names.contains(&name)) {
                source.skip((info.data_offsets.1 - info.data_offsets.0) as u64)?;
                continue;
            }
            let values = read_values(&mut source, &name, info, watch)?;
            let shape = info.shape.clone();
            tensors.insert(name, Tensor { shape, values });
        }
    }
    Ok((tensors, sorted(&metadata)))
}

/// Read the header of `path` only.
///
/// # Errors
/// As [`read`].
pub fn read_header(path: &Path) -> Result<Header> {
    let metadata = read_metadata(&mut Source::open(path)?)?;
    let tensors = metadata
        .offset_keys()
        .into_iter()
        .filter_map(|name| {
            let info = metadata.info(&name)?;
            Some((name, info.dtype.to_string(), info.shape.clone()))
        })
        .collect();
    Ok(Header { tensors, metadata: sorted(&metadata) })
}

/// Write `tensors` and `metadata` to `path`, which appears whole or not at all.
///
/// # Errors
/// [`Error::Unwritable`] when a name is reserved or shape and values disagree, [`Error::Io`],
/// [`Error::Cancelled`].
pub fn write(
    path: &Path,
    tensors: &BTreeMap<String, TensorRef<'_>>,
    metadata: &BTreeMap<String, String>,
    watch: &dyn Watch,
) -> Result<()> {
    let (header, order) = build_header(tensors, metadata)
        .map_err(|reason| Error::Unwritable { path: path.to_path_buf(), reason })?;
    watch.start(
        order.iter().map(|tensor| (tensor.values.len() * tensor.values.width()) as u64).sum(),
    );
    let mut file = AtomicFile::create(path)?;
    file.write(&(header.len() as u64).to_le_bytes())?;
    file.write(header.as_bytes())?;
    for tensor in order {
        tensor.values.write(&mut file, path, watch)?;
    }
    file.commit()
}

/// The header, padded so that the tensors begin at a multiple of 8, and the tensors in the order
/// of the file: widest type first, so that each is aligned to its own width.
fn build_header<'a, 'b>(
    tensors: &'b BTreeMap<String, TensorRef<'a>>,
    metadata: &BTreeMap<String, String>,
) -> std::result::Result<(String, Vec<&'b TensorRef<'a>>), String> {
    let mut order: Vec<_> = tensors.iter().collect();
    order.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.values.width()));
    let mut entries = Vec::with_capacity(order.len() + 1);
    let mut parts = Vec::with_capacity(order.len());
    if !metadata.is_empty() {
        entries.push(format!("\"__metadata__\":{}", told(serde_json::to_string(metadata))?));
    }
    let mut offset = 0;
    for (name, tensor) in &order {
        if name.as_str() == "__metadata__" {
            return Err("the tensor name \"__metadata__\" is reserved by the format".to_string());
        }
        let end = offset + tensor.values.len() * tensor.values.width();
        let info = TensorInfo {
            dtype: dtype(tensor.values),
            shape: tensor.shape.clone(),
            data_offsets: (offset, end),
        };
        entries.push(format!(
            "{}:{}",
            told(serde_json::to_string(name))?,
            told(serde_json::to_string(&info))?
        ));
        parts.push(((*name).clone(), info));
        offset = end;
    }
    // The crate's own check of shapes against sizes, so that no file is written that it refuses.
    Metadata::new(None, parts).map_err(|error| error.to_string())?;
    let mut header = format!("{{{}}}", entries.join(","));
    let padded = header.len().next_multiple_of(8);
    header.extend(std::iter::repeat_n(' ', padded - header.len()));
    if header.len() as u64 > MAX_HEADER {
        return Err(format!(
            "the header takes {} bytes, the format allows {MAX_HEADER}",
            header.len()
        ));
    }
    Ok((header, order.into_iter().map(|(_, tensor)| tensor).collect()))
}

fn told(json: serde_json::Result<String>) -> std::result::Result<String, String> {
    json.map_err(|error| error.to_string())
}

fn dtype(values: ValuesRef<'_>) -> Dtype {
    match values {
        ValuesRef::F16(_) => Dtype::F16,
        ValuesRef::F32(_) => Dtype::F32,
        ValuesRef::F64(_) => Dtype::F64,
        ValuesRef::I8(_) => Dtype::I8,
        ValuesRef::I16(_) => Dtype::I16,
        ValuesRef::I32(_) => Dtype::I32,
        ValuesRef::I64(_) => Dtype::I64,
        ValuesRef::U8(_) => Dtype::U8,
        ValuesRef::U16(_) => Dtype::U16,
        ValuesRef::U32(_) => Dtype::U32,
        ValuesRef::U64(_) => Dtype::U64,
        ValuesRef::Bool(_) => Dtype::BOOL,
    }
}

/// Read and check the header, leaving `source` at the first tensor.
fn read_metadata(source: &mut Source) -> Result<Metadata> {
    let path = source.path().to_path_buf();
    let wrong = |offset, reason| Error::Safetensors { path: path.clone(), offset, reason };
    if source.size() < PREFIX {
        return Err(wrong(
            0,
            format!(
                "expected {PREFIX} bytes with the header's length, the file has {}",
                source.size()
            ),
        ));
    }
    let mut prefix = [0; PREFIX as usize];
    source.fill(&mut prefix)?;
    let length = u64::from_le_bytes(prefix);
    let room = source.size() - PREFIX;
    if length > MAX_HEADER.min(room) {
        return Err(wrong(
            0,
            format!(
                "the header should be {length} bytes long, but the file has {room} more and the format allows {MAX_HEADER}"
            ),
        ));
    }
    // Cannot truncate: at most MAX_HEADER.
    let mut buffer = vec![0; (PREFIX + length) as usize];
    buffer[..prefix.len()].copy_from_slice(&prefix);
    source.fill(&mut buffer[prefix.len()..])?;
    let metadata = parse_header(&buffer).map_err(|reason| wrong(PREFIX, reason))?;
    let expected = PREFIX + length + metadata.data_len() as u64;
    if expected != source.size() {
        return Err(wrong(
            source.size().min(expected),
            format!(
                "the header describes a file of {expected} bytes, this one has {}",
                source.size()
            ),
        ));
    }
    Ok(metadata)
}

/// The crate reads a header only together with the bytes it describes, which would mean to read
/// or map the whole file first. Its deserialiser, used on the header alone, makes the same checks.
fn parse_header(buffer: &[u8]) -> std::result::Result<Metadata, String> {
    let text = std::str::from_utf8(&buffer[PREFIX as usize..])
        .map_err(|error| format!("the header is not valid UTF-8: {error}"))?;
    if !text.starts_with('{') {
        return Err("the header does not begin with '{'".to_string());
    }
    serde_json::from_str(text).map_err(|error| format!("the header is not valid: {error}"))
}

fn sorted(metadata: &Metadata) -> BTreeMap<String, String> {
    metadata.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The number of values. The header's check has multiplied the same numbers, but lets a zero hide
/// a dimension that no array can have.
fn count(source: &Source, name: &str, shape: &[usize]) -> Result<usize> {
    let extent = shape
        .iter()
        .filter(|&&dimension| dimension > 0)
        .try_fold(1_usize, |product, &dimension| product.checked_mul(dimension));
    if extent.is_none_or(|extent| extent > isize::MAX as usize / 8) {
        return Err(Error::Safetensors {
            path: source.path().to_path_buf(),
            offset: PREFIX,
            reason: format!("tensor {name:?} has the impossible shape {shape:?}"),
        });
    }
    Ok(shape.iter().product())
}

fn read_values(
    source: &mut Source,
    name: &str,
    info: &TensorInfo,
    watch: &dyn Watch,
) -> Result<Values> {
    let count = count(source, name, &info.shape)?;
    macro_rules! plain {
        ($variant:ident, $type:ty) => {
            tensor::read(source, count, |value: $type| value, watch).map(Values::$variant)
        };
    }
    match info.dtype {
        Dtype::F16 => tensor::read(source, count, f16::to_f32, watch).map(Values::F32),
        Dtype::BF16 => tensor::read(source, count, bf16::to_f32, watch).map(Values::F32),
        Dtype::F32 => plain!(F32, f32),
        Dtype::F64 => plain!(F64, f64),
        Dtype::I8 => plain!(I8, i8),
        Dtype::I16 => plain!(I16, i16),
        Dtype::I32 => plain!(I32, i32),
        Dtype::I64 => plain!(I64, i64),
        Dtype::U8 => plain!(U8, u8),
        Dtype::U16 => plain!(U16, u16),
        Dtype::U32 => plain!(U32, u32),
        Dtype::U64 => plain!(U64, u64),
        Dtype::BOOL => plain!(Bool, bool),
        other => Err(Error::TensorType {
            path: source.path().to_path_buf(),
            name: name.to_string(),
            dtype: other.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Quiet;

    fn sample() -> (BTreeMap<String, TensorRef<'static>>, BTreeMap<String, String>) {
        let tensors = BTreeMap::from([
            (
                "bytes".to_string(),
                TensorRef { shape: vec![3], values: ValuesRef::U8(&[1, 2, 255]) },
            ),
            (
                "matrix".to_string(),
                TensorRef {
                    shape: vec![2, 2],
                    values: ValuesRef::F64(&[1.5, -0.0, f64::MIN_POSITIVE, 1e300]),
                },
            ),
            ("empty".to_string(), TensorRef { shape: vec![0, 4], values: ValuesRef::F32(&[]) }),
        ]);
        let metadata = BTreeMap::from([
            ("b".to_string(), "\"quoted\"\n".to_string()),
            ("a".to_string(), "සිංහල".to_string()),
        ]);
        (tensors, metadata)
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let (tensors, metadata) = sample();
        write(&path, &tensors, &metadata, &Quiet).unwrap();
        let (read_tensors, read_metadata) = read(&path, None, &Quiet).unwrap();
        assert_eq!(read_metadata, metadata);
        assert_eq!(read_tensors["matrix"].shape, [2, 2]);
        assert_eq!(
            read_tensors["matrix"].values,
            Values::F64(vec![1.5, -0.0, f64::MIN_POSITIVE, 1e300])
        );
        assert_eq!(read_tensors["bytes"].values, Values::U8(vec![1, 2, 255]));
        assert_eq!(read_tensors["empty"].shape, [0, 4]);
        // The crate that defines the format reads it too.
        let bytes = std::fs::read(&path).unwrap();
        let reference = ::safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(reference.len(), 3);
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (tensors, metadata) = sample();
        let bytes = [1, 2].map(|i| {
            let path = folder.path().join(format!("{i}.safetensors"));
            write(&path, &tensors, &metadata, &Quiet).unwrap();
            std::fs::read(&path).unwrap()
        });
        assert_eq!(bytes[0], bytes[1]);
    }

    #[test]
    fn half_floats_come_widened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let halves = [f16::from_f32(0.333), f16::MAX];
        let tensors = BTreeMap::from([(
            "h".to_string(),
            TensorRef { shape: vec![2], values: ValuesRef::F16(&halves) },
        )]);
        write(&path, &tensors, &BTreeMap::new(), &Quiet).unwrap();
        let (tensors, _) = read(&path, None, &Quiet).unwrap();
        assert_eq!(tensors["h"].values, Values::F32(vec![halves[0].to_f32(), 65504.0]));
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let (tensors, metadata) = sample();
        write(&path, &tensors, &metadata, &Quiet).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let error = read(&path, None, &Quiet).unwrap_err();
            assert!(
                matches!(error, Error::Safetensors { .. } | Error::Empty { .. }),
                "{cut}: {error}"
            );
        }
    }

    #[test]
    fn shape_and_values_must_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let tensors = BTreeMap::from([(
            "x".to_string(),
            TensorRef { shape: vec![5], values: ValuesRef::F32(&[1.0]) },
        )]);
        let error = write(&path, &tensors, &BTreeMap::new(), &Quiet).unwrap_err();
        assert!(matches!(error, Error::Unwritable { .. }), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
