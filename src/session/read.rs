//! What a model makes of a text without writing: its embedding, its class, how well it answers a query, and the tokens
//! that are masked in it.

use serde::Serialize;

use super::Engine;
use super::engine::POOL;
use crate::error::{Error, Result};
use crate::tensor::zeroed;
use crate::tokenizer::Special;
use crate::transformer::{Pooled, Pooling};

/// Pieces that stand for a masked token, one for each way of writing control tokens.
const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

/// Tokens of several texts that are read together: more would not be faster, and between two passes a page can say
/// that it wants no more.
const TOGETHER: usize = 512;

/// A class and how likely it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Class {
    /// Its name in the file.
    pub label: String,
    /// 0 to 1; of several classes the sum is 1.
    pub score: f32,
}

/// A token that may stand at a mask.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Filled {
    /// Its id.
    pub id: u32,
    /// Its text.
    pub token: String,
    /// How likely it is.
    pub score: f32,
}

impl Engine {
    /// The embedding of each of `texts`, of length 1 if `normalise`; that and `pooling` are the file's unless they are
    /// given. What is over the context is left out.
    pub fn embed(
        &mut self,
        texts: &[&str],
        pooling: Option<Pooling>,
        normalise: Option<bool>,
    ) -> Result<Vec<Vec<f32>>> {
        let reader = &self.model.config.reader;
        let pooling = pooling.unwrap_or(reader.pooling);
        let normalise = normalise.unwrap_or(reader.normalises);
        let framed = texts.iter().map(|text| Ok(self.framed(text, None)?.0));
        let framed: Vec<Vec<u32>> = framed.collect::<Result<_>>()?;
        let mut embeddings = Vec::with_capacity(texts.len());
        let mut rest = &framed[..];
        while !rest.is_empty() {
            let (together, behind) = rest.split_at(self.together(rest));
            match together {
                [one] => embeddings.push(self.read(one, usize::MAX, pooling)?),
                several => self.read_together(several, pooling, &mut embeddings)?,
            }
            rest = behind;
        }
        if normalise {
            for embedding in &mut embeddings {
                let length = embedding.iter().map(|x| x * x).sum::<f32>().sqrt();
                let scale = 1.0 / length.max(f32::MIN_POSITIVE);
                embedding.iter_mut().for_each(|x| *x *= scale);
            }
        }
        Ok(embeddings)
    }

    /// How many of `texts`, at least one, are read in one forward pass.
    fn together(&self, texts: &[Vec<u32>]) -> usize {
        if self.model.config.is_causal() {
            return 1;
        }
        let most = TOGETHER.min(self.scratch.slice());
        let mut tokens = 0;
        let fits = |ids: &&Vec<u32>| {
            tokens += ids.len();
            tokens <= most && !ids.is_empty()
        };
        texts.iter().take_while(fits).count().max(1)
    }

    /// The classes of `text`, or of two texts read together, in the order of the file.
    pub fn classify(&mut self, text: &str, second: Option<&str>) -> Result<Vec<Class>> {
        let mut scores = self.scores(text, second)?;
        if let [one] = &mut scores[..] {
            *one = 1.0 / (1.0 + (-*one).exp());
        } else {
            softmax(&mut scores);
        }
        let labels = &self.model.config.reader.labels;
        let name = |i: usize| {
            let named = labels.get(i).cloned();
            named.unwrap_or_else(|| format!("LABEL_{i}"))
        };
        let classes = scores.into_iter().enumerate();
        Ok(classes
            .map(|(i, score)| Class {
                label: name(i),
                score,
            })
            .collect())
    }

    /// How well `document` answers `query`, 0 to 1, by a model with one class that reads both together.
    pub fn rerank(&mut self, query: &str, document: &str) -> Result<f32> {
        match &self.classify(query, Some(document))?[..] {
            [one] => Ok(one.score),
            classes => Err(Error::WrongState {
                what: format!(
                    "this model has {} classes, and one that ranks documents has 1: classify with it",
                    classes.len()
                ),
            }),
        }
    }

    /// For each mask in `text`, the `top_k` likeliest tokens.
    pub fn fill_mask(&mut self, text: &str, top_k: usize) -> Result<Vec<Vec<Filled>>> {
        if !self.model.fills_masks() {
            return Err(Error::WrongState {
                what: "this model has no head that fills masks".into(),
            });
        }
        let mask = MASKS
            .into_iter()
            .find_map(|piece| Some((piece, self.tokenizer.id(piece)?)));
        let (piece, mask) = mask.ok_or_else(|| Error::Tokenizer {
            what: format!("no piece stands for a mask ({})", MASKS.join(", ")),
        })?;
        let mut ids = Vec::new();
        let mut parts = text.split(piece).peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            // A mask is a word: the space before it is its own.
            let part = if last { part } else { part.trim_end() };
            ids.extend(self.tokenizer.encode(part, Special::Text)?);
            if !last {
                ids.push(mask);
            }
        }
        let ids = self.tokenizer.frame(&ids);
        let masks: Vec<usize> = (0..ids.len()).filter(|i| ids[*i] == mask).collect();
        if masks.is_empty() {
            return Err(Error::BadArgument {
                name: "text".into(),
                found: "no mask".into(),
                expected: format!("at least one {piece}"),
            });
        }
        let mut logits = zeroed(self.model.config.vocab_size)?;
        self.read(&ids, usize::MAX, Pooling::Last)?;
        let mut all = Vec::with_capacity(masks.len());
        for i in masks {
            self.unmask(i, &mut logits);
            softmax(&mut logits);
            let mut order: Vec<u32> = (0..logits.len() as u32).collect();
            let p = |id: u32| logits[id as usize];
            order.sort_unstable_by(|a, b| p(*b).total_cmp(&p(*a)));
            let filled = order.into_iter().take(top_k).map(|id| Filled {
                id,
                token: self.tokenizer.decode(&[id]).trim().to_owned(),
                score: p(id),
            });
            all.push(filled.collect());
        }
        Ok(all)
    }

    fn scores(&mut self, text: &str, second: Option<&str>) -> Result<Vec<f32>> {
        let (ids, from) = self.framed(text, second)?;
        let x = self.read(&ids, from, self.model.config.reader.classified)?;
        self.class_scores(&x)
    }

    /// The classifier's scores, as they are, for a text of representation `x` (dim).
    pub fn class_scores(&mut self, x: &[f32]) -> Result<Vec<f32>> {
        let n = self.model.n_classes();
        if n == 0 {
            return Err(Error::WrongState {
                what: "this model has no classifier".into(),
            });
        }
        let mut scores = vec![0.0; n];
        self.model
            .classify(&POOL, &mut self.scratch, x, &mut scores);
        Ok(scores)
    }

    /// The logits of what may stand at token `index` of the text just read → `logits` (vocab_size).
    pub fn unmask(&mut self, index: usize, logits: &mut [f32]) {
        let scratch = &mut self.scratch;
        self.model
            .logits_of(&POOL, scratch, index..index + 1, logits);
    }

    /// Ids of a text, or of two, with what the model wants around them, cut to the context; and where the second starts.
    fn framed(&self, text: &str, second: Option<&str>) -> Result<(Vec<u32>, usize)> {
        let tokenizer = &self.tokenizer;
        let context = self.cache.context();
        let frame = tokenizer.frame(&[]);
        let behind = match (tokenizer.add_bos(), &frame[..]) {
            (true, [_, behind]) | (false, [behind]) => Some(*behind),
            _ => None,
        };
        let Some(second) = second else {
            let mut ids = tokenizer.encode(text, Special::Text)?;
            ids.truncate(context.saturating_sub(frame.len()));
            return Ok((tokenizer.frame(&ids), usize::MAX));
        };
        // Types of tokens tell the texts apart, or a second separator does.
        let twice = self.model.config.reader.n_types < 2;
        let separators = usize::from(behind.is_some()) * (1 + usize::from(twice));
        let mut first = tokenizer.encode(text, Special::Text)?;
        let mut second = tokenizer.encode(second, Special::Text)?;
        let room = context.saturating_sub(frame.len() + separators);
        // The longer one gives way.
        let rest = room.saturating_sub(first.len());
        second.truncate(rest.max(room / 2));
        first.truncate(room.saturating_sub(second.len()));
        let mut ids = tokenizer.frame(&first);
        if twice {
            ids.extend(behind);
        }
        let from = ids.len();
        ids.extend(second);
        ids.extend(behind);
        Ok((ids, from))
    }

    fn check_length(&self, n: usize) -> Result<()> {
        let context = self.cache.context();
        if (1..=context).contains(&n) {
            return Ok(());
        }
        Err(Error::ContextFull { prompt: n, context })
    }

    /// Evaluates `ids` by themselves and pools what comes out. From `second` on they are another text.
    pub fn read(&mut self, ids: &[u32], second: usize, pooling: Pooling) -> Result<Vec<f32>> {
        self.check_ids(ids)?;
        self.check_length(ids.len())?;
        let mut conversation = self.about(ids, 0)?;
        self.scratch.set_second(second);
        let mut pooled = Pooled::new(pooling, self.model.config.dim);
        let mut read = Ok(());
        for slice in ids.chunks(self.scratch.slice()) {
            read = self.read_on(&mut conversation, slice, &[]);
            if read.is_err() {
                break;
            }
            let rows = 0..slice.len();
            self.model.pool(&mut self.scratch, rows, &mut pooled);
        }
        self.scratch.set_second(usize::MAX);
        // Nobody goes on with a text that was read.
        conversation.ids.clear();
        self.keep(conversation);
        read.map(|()| pooled.finish())
    }

    /// Evaluates `texts`, which fit into one slice, side by side; what each is pooled to goes to `out`.
    fn read_together(
        &mut self,
        texts: &[Vec<u32>],
        pooling: Pooling,
        out: &mut Vec<Vec<f32>>,
    ) -> Result<()> {
        let ids = texts.concat();
        self.check_ids(&ids)?;
        let ends = texts.iter().scan(0, |end, ids| {
            *end += ids.len();
            Some(*end)
        });
        let ends: Vec<usize> = ends.collect();
        let mut conversation = self.about(&ids, 0)?;
        let read = self.read_on(&mut conversation, &ids, &ends);
        conversation.ids.clear();
        self.keep(conversation);
        read?;
        let mut end = 0;
        for text in texts {
            let mut pooled = Pooled::new(pooling, self.model.config.dim);
            let rows = end..end + text.len();
            end = rows.end;
            self.model.pool(&mut self.scratch, rows, &mut pooled);
            out.push(pooled.finish());
        }
        Ok(())
    }
}

fn softmax(x: &mut [f32]) {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for x in &mut *x {
        *x = (*x - max).exp();
        sum += *x;
    }
    x.iter_mut().for_each(|x| *x /= sum);
}
