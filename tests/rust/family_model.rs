//! Makes the models of `tests/golden/families`: weights come from their tensors' names, so that no file holds them.

use serde_json::Value;
use smidgen::format::gguf_write::HeaderWriter;
use smidgen::format::hugging_face::Folder;
use smidgen::quant::Format;
use smidgen::session::{CacheFormat, Engine, LoadOptions, Loader};
use std::path::PathBuf;

/// A file's name and bytes.
pub type File = (String, Vec<u8>);

/// One architecture's golden file.
pub struct Family {
    pub name: String,
    pub golden: Value,
}

fn golden_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Every family, by name.
pub fn families() -> Vec<Family> {
    let mut all: Vec<Family> = std::fs::read_dir(golden_folder().join("families"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| Family {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            golden: serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap(),
        })
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!all.is_empty(), "there are golden files");
    all
}

/// The families that write.
pub fn writing() -> Vec<Family> {
    let mut all = families();
    all.retain(|f| f.golden.get("lastLogits").is_some());
    all
}

/// Those that go on with a text, and read none before.
pub fn causal() -> Vec<Family> {
    let mut all = writing();
    all.retain(|f| f.golden.get("read").is_none());
    all
}

/// A model with room for `context` positions, whose cache rounds as the references do.
pub fn load(files: &[File], context: usize) -> Engine {
    let options = LoadOptions {
        context_length: Some(context),
        cache_format: CacheFormat::F16,
        ..LoadOptions::default()
    };
    load_with(files, options)
}

/// A model with options.
pub fn load_with(files: &[File], options: LoadOptions) -> Engine {
    let mut loader = Loader::new(options);
    for (name, bytes) in files {
        loader.file(name).unwrap();
        // Cuts headers, rows and values anywhere.
        for part in bytes.chunks(40_009) {
            loader.push(part).unwrap();
        }
    }
    loader.finish().unwrap()
}

/// Numbers of a JSON list.
pub fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter().map(|v| v.as_f64().expect("a number")).collect()
}

/// Value `i` of the tensor called `name`, in [-1, 1): `make.py` has the same generator.
fn noise(seed: u64, i: u64) -> f32 {
    let mut z = seed.wrapping_add((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 40) as f32 / 8_388_608.0 - 1.0
}

fn seed(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, b| {
        (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A tensor in the order of its file: the last dimension is the fastest.
#[derive(Clone)]
pub struct Tensor {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Family {
    pub fn ids(&self) -> Vec<u32> {
        numbers(&self.golden["ids"])
            .iter()
            .map(|n| *n as u32)
            .collect()
    }

    fn vocab_size(&self) -> usize {
        self.golden["config"]["vocab_size"].as_u64().unwrap() as usize
    }

    /// Names, shapes and distributions of the folder's tensors.
    fn rows(&self) -> impl Iterator<Item = (&str, &Value)> {
        let rows = self.golden["tensors"].as_array().unwrap();
        rows.iter().map(|row| (row[0].as_str().unwrap(), row))
    }

    /// The tensor that the folder calls `name`.
    pub fn tensor(&self, name: &str) -> Tensor {
        let (_, row) = self.rows().find(|(n, _)| *n == name).expect(name);
        let shape: Vec<usize> = numbers(&row[1]).iter().map(|n| *n as usize).collect();
        let (mean, spread) = (
            row[2].as_f64().unwrap() as f32,
            row[3].as_f64().unwrap() as f32,
        );
        let seed = seed(name);
        let n = shape.iter().product::<usize>() as u64;
        Tensor {
            shape,
            values: (0..n).map(|i| noise(seed, i) * spread + mean).collect(),
        }
    }

    /// The tokenizer's files: of the golden file, else those of a folder that another test reads.
    fn text_files(&self) -> Vec<File> {
        let from = golden_folder().join("hf/qwen2");
        let names = ["tokenizer.json", "tokenizer_config.json"];
        names
            .iter()
            .map(|name| {
                let bytes = match self.golden.get(*name) {
                    Some(own) => serde_json::to_vec(own).unwrap(),
                    None => std::fs::read(from.join(name)).unwrap(),
                };
                ((*name).to_owned(), bytes)
            })
            .collect()
    }

    /// The model as a Hugging Face folder.
    pub fn folder(&self) -> Vec<File> {
        let mut files = self.text_files();
        let config = serde_json::to_vec(&self.golden["config"]).unwrap();
        files.insert(0, ("config.json".into(), config));
        let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
        for (name, _) in self.rows() {
            let tensor = self.tensor(name);
            let start = data.len();
            data.extend(tensor.values.iter().flat_map(|v| v.to_le_bytes()));
            header.insert(
                name.to_owned(),
                serde_json::json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, data.len()]}),
            );
        }
        let header = serde_json::to_vec(&header).unwrap();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        bytes.extend(data);
        files.push(("model.safetensors".into(), bytes));
        files
    }

    /// The model as one GGUF file, as llama.cpp's converter writes it; `None` where it knows no such model.
    pub fn gguf(&self) -> Option<File> {
        let recipe = self.golden.get("gguf")?;
        let mut header = HeaderWriter::new(32);
        for (key, value) in recipe["keys"].as_object().unwrap() {
            match value {
                Value::String(text) => header.str(key, text),
                Value::Bool(value) => header.bool(key, *value),
                Value::Array(list) if list[0].is_string() => {
                    let list: Vec<&str> = list.iter().map(|v| v.as_str().unwrap()).collect();
                    header.strings(key, &list);
                }
                Value::Array(list) => {
                    let list: Vec<i32> = list.iter().map(|v| v.as_i64().unwrap() as i32).collect();
                    header.i32s(key, &list);
                }
                number => match number.as_u64() {
                    Some(n) => header.u32(key, n as u32),
                    None => header.f32(key, number.as_f64().unwrap() as f32),
                },
            }
        }
        let mut text = Folder::default();
        for (name, bytes) in self.text_files() {
            text.take(&name, &bytes).unwrap();
        }
        text.write_text_keys(self.vocab_size(), &mut header)
            .unwrap();
        let mut data = Vec::new();
        for row in recipe["tensors"].as_array().unwrap() {
            let tensor = self.converted(row);
            let shape: Vec<u64> = tensor.shape.iter().rev().map(|n| *n as u64).collect();
            header.tensor(row[0].as_str().unwrap(), &shape, Format::F32);
            data.resize(data.len().next_multiple_of(32), 0);
            data.extend(tensor.values.iter().flat_map(|v| v.to_le_bytes()));
        }
        let mut bytes = header.finish();
        bytes.extend(data);
        Some(("model.gguf".into(), bytes))
    }

    /// One tensor of the GGUF file: its name, its sources, and what is done with them.
    fn converted(&self, row: &Value) -> Tensor {
        let sources: Vec<&str> = match &row[1] {
            Value::Array(list) => list.iter().map(|v| v.as_str().unwrap()).collect(),
            one => vec![one.as_str().unwrap()],
        };
        let mut tensor = self.tensor(sources[0]);
        match row[2].as_str().unwrap_or("plain") {
            "plain" => {}
            // Rows of each head: those of the first half and of the second take turns.
            "interleave" => {
                let heads = row[3].as_u64().unwrap() as usize;
                let cols = tensor.shape[1..].iter().product::<usize>();
                let (rows, old) = (tensor.shape[0], tensor.values.clone());
                let head_dim = rows / heads;
                for row in 0..rows {
                    let (head, i) = (row / head_dim, row % head_dim);
                    let from = head * head_dim + i / 2 + i % 2 * (head_dim / 2);
                    tensor.values[row * cols..][..cols]
                        .copy_from_slice(&old[from * cols..][..cols]);
                }
            }
            "add" => {
                let offset = row[3].as_f64().unwrap() as f32;
                tensor.values.iter_mut().for_each(|v| *v += offset);
            }
            "stack" => {
                for source in &sources[1..] {
                    tensor.values.extend(self.tensor(source).values);
                }
                tensor.shape.insert(0, sources.len());
            }
            // Stretches of rows, each with its factor; 0 rows are all there are.
            "scale" => {
                let cols = tensor.shape[1..].iter().product::<usize>();
                let mut rest = &mut tensor.values[..];
                for part in row[3].as_array().unwrap() {
                    let rows = part[0].as_u64().unwrap() as usize;
                    let n = if rows == 0 { rest.len() } else { rows * cols };
                    let (these, others) = rest.split_at_mut(n);
                    let factor = part[1].as_f64().unwrap() as f32;
                    these.iter_mut().for_each(|v| *v *= factor);
                    rest = others;
                }
                assert!(rest.is_empty(), "factors for all rows");
            }
            "negative_exp" => tensor.values.iter_mut().for_each(|v| *v = -v.exp()),
            "skip" => {
                let rows = row[3].as_u64().unwrap() as usize;
                tensor.values.drain(..rows * tensor.shape[1]);
                tensor.shape[0] -= rows;
            }
            // Of a matrix, or of every one of a stack, one half of the rows.
            "half" => {
                let which = row[3].as_u64().unwrap() as usize;
                let rows = tensor.shape.len() - 2;
                tensor.shape[rows] /= 2;
                let half: usize = tensor.shape[rows..].iter().product();
                tensor.values = tensor
                    .values
                    .chunks_exact(2 * half)
                    .flat_map(|m| &m[which * half..(which + 1) * half])
                    .copied()
                    .collect();
            }
            other => panic!("{other} is no conversion"),
        }
        tensor
    }
}
