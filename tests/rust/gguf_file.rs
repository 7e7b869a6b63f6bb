//! Writes GGUF headers byte by byte, for tests that need a file of their own. Follows the GGUF specification.

/// A metadata value; the variants are those the tests use.
#[allow(dead_code)]
#[derive(Clone)]
pub enum Value {
    U8(u8),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    U64(u64),
    F64(f64),
    Str(String),
    Strs(Vec<String>),
    I32s(Vec<i32>),
    U8s(Vec<u8>),
    F32s(Vec<f32>),
}

/// A file under construction.
#[derive(Clone)]
pub struct GgufFile {
    pub version: u32,
    pub keys: Vec<(String, Value)>,
    /// Name, dimensions, ggml type, offset in the data part.
    pub tensors: Vec<(String, Vec<u64>, u32, u64)>,
}

#[allow(dead_code)]
impl GgufFile {
    pub fn new() -> GgufFile {
        GgufFile {
            version: 3,
            keys: Vec::new(),
            tensors: Vec::new(),
        }
    }

    pub fn key(mut self, key: &str, value: Value) -> GgufFile {
        self.keys.push((key.into(), value));
        self
    }

    pub fn str(self, key: &str, value: &str) -> GgufFile {
        self.key(key, Value::Str(value.into()))
    }

    pub fn tensor(mut self, name: &str, shape: &[u64], ggml_type: u32, offset: u64) -> GgufFile {
        self.tensors
            .push((name.into(), shape.to_vec(), ggml_type, offset));
        self
    }

    /// The header alone.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(b"GGUF");
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            string(&mut out, key);
            put(&mut out, value);
        }
        for (name, shape, ggml_type, offset) in &self.tensors {
            string(&mut out, name);
            out.extend((shape.len() as u32).to_le_bytes());
            for d in shape {
                out.extend(d.to_le_bytes());
            }
            out.extend(ggml_type.to_le_bytes());
            out.extend(offset.to_le_bytes());
        }
        out
    }
}

fn string(out: &mut Vec<u8>, s: &str) {
    out.extend((s.len() as u64).to_le_bytes());
    out.extend(s.as_bytes());
}

fn array(out: &mut Vec<u8>, element: u32, len: usize) {
    out.extend(9u32.to_le_bytes());
    out.extend(element.to_le_bytes());
    out.extend((len as u64).to_le_bytes());
}

fn put(out: &mut Vec<u8>, value: &Value) {
    let mut scalar = |kind: u32, bytes: &[u8]| {
        out.extend(kind.to_le_bytes());
        out.extend(bytes);
    };
    match value {
        Value::U8(v) => scalar(0, &v.to_le_bytes()),
        Value::I16(v) => scalar(3, &v.to_le_bytes()),
        Value::U32(v) => scalar(4, &v.to_le_bytes()),
        Value::I32(v) => scalar(5, &v.to_le_bytes()),
        Value::F32(v) => scalar(6, &v.to_le_bytes()),
        Value::Bool(v) => scalar(7, &[u8::from(*v)]),
        Value::U64(v) => scalar(10, &v.to_le_bytes()),
        Value::F64(v) => scalar(12, &v.to_le_bytes()),
        Value::Str(v) => {
            scalar(8, &[]);
            string(out, v);
        }
        Value::Strs(v) => {
            array(out, 8, v.len());
            v.iter().for_each(|s| string(out, s));
        }
        Value::I32s(v) => {
            array(out, 5, v.len());
            v.iter().for_each(|n| out.extend(n.to_le_bytes()));
        }
        Value::U8s(v) => {
            array(out, 0, v.len());
            out.extend(v);
        }
        Value::F32s(v) => {
            array(out, 6, v.len());
            v.iter().for_each(|n| out.extend(n.to_le_bytes()));
        }
    }
}
