//! Lists of the tensors that an architecture reads, by the names that GGUF files have for them.

use crate::transformer::{Block, Config, FeedForward, Part, Slot, TensorSpec};

/// A list being made.
pub(super) struct Tensors<'a> {
    pub config: &'a Config,
    pub all: Vec<TensorSpec>,
}

impl<'a> Tensors<'a> {
    pub fn new(config: &'a Config) -> Tensors<'a> {
        Tensors {
            config,
            all: Vec::new(),
        }
    }

    #[inline(never)]
    fn add(&mut self, block: Option<usize>, part: Part, name: &str, rows: usize, cols: usize) {
        self.all.push(TensorSpec {
            name: match block {
                Some(i) => format!("blk.{i}.{name}"),
                None => name.to_owned(),
            },
            slot: Slot {
                block,
                expert: None,
                part,
            },
            rows,
            cols,
            required: true,
            inside: None,
        });
    }

    /// A matrix of the whole model.
    pub fn matrix(&mut self, part: Part, name: &str, rows: usize, cols: usize) -> &mut Self {
        self.add(None, part, name, rows, cols);
        self
    }

    /// A vector of the whole model.
    pub fn vector(&mut self, part: Part, name: &str, len: usize) -> &mut Self {
        self.add(None, part, name, 0, len);
        self
    }

    /// The last one may be missing.
    pub fn optional(&mut self) -> &mut Self {
        if let Some(last) = self.all.last_mut() {
            last.required = false;
        }
        self
    }

    /// A matrix of every block that `shape` gives (rows, columns) for.
    pub fn matrices(
        &mut self,
        part: Part,
        name: &str,
        shape: impl Fn(&Block) -> Option<(usize, usize)>,
    ) -> &mut Self {
        self.each(part, name, &shape);
        self
    }

    /// A vector of every block that `len` gives a length for.
    pub fn vectors(
        &mut self,
        part: Part,
        name: &str,
        len: impl Fn(&Block) -> Option<usize>,
    ) -> &mut Self {
        self.each(part, name, &|b| Some((0, len(b)?)));
        self
    }

    /// A tensor of every block that has one; one copy of this code serves all of them.
    #[inline(never)]
    fn each(&mut self, part: Part, name: &str, shape: &dyn Fn(&Block) -> Option<(usize, usize)>) {
        for (i, block) in self.config.weight_blocks() {
            if let Some((rows, cols)) = shape(block) {
                self.add(Some(i), part, name, rows, cols);
            }
        }
    }

    /// A norm of every block as long as a representation.
    pub fn norms(&mut self, part: Part, name: &str) -> &mut Self {
        let dim = self.config.dim;
        self.vectors(part, name, |_| Some(dim))
    }

    /// Those for `part` may be missing.
    pub fn may_lack(&mut self, part: Part) -> &mut Self {
        for spec in self.all.iter_mut().filter(|s| s.slot.part == part) {
            spec.required = false;
        }
        self
    }

    /// In every block, `parts` stand below each other in one tensor called `whole`.
    pub fn fuse(&mut self, whole: &str, parts: &[Part]) -> &mut Self {
        for (i, _) in self.config.weight_blocks() {
            let mut first = 0;
            for part in parts {
                let mut specs = self.all.iter_mut();
                let found = specs.find(|s| s.slot.block == Some(i) && s.slot.part == *part);
                if let Some(spec) = found {
                    spec.inside = Some((format!("blk.{i}.{whole}"), first));
                    first += if spec.rows > 0 { spec.rows } else { spec.cols };
                }
            }
        }
        self
    }

    /// Where `name` means the whole of a gate and an up, the up alone is called otherwise.
    pub fn apart(&mut self, name: &str) {
        for spec in self.all.iter_mut().filter(|s| s.slot.part == Part::Up) {
            spec.name = spec.name.replace(name, &format!("{name}.half"));
        }
    }

    /// The projections of attention.
    pub fn attention(&mut self) -> &mut Self {
        let dim = self.config.dim;
        let q = |b: &Block| Some(b.attention()?.shape).map(|s| s.n_heads * s.head_dim);
        let kv = |b: &Block| Some(b.attention()?.shape).map(|s| s.n_kv_heads * s.head_dim);
        self.matrices(Part::Query, "attn_q.weight", |b| Some((q(b)?, dim)))
            .matrices(Part::Key, "attn_k.weight", |b| Some((kv(b)?, dim)))
            .matrices(Part::Value, "attn_v.weight", |b| Some((kv(b)?, dim)))
            .matrices(Part::AttentionOutput, "attn_output.weight", |b| {
                Some((dim, q(b)?))
            })
    }

    /// Biases of the query, key and value projections.
    pub fn projection_biases(&mut self) -> &mut Self {
        let q = |b: &Block| Some(b.attention()?.shape).map(|s| s.n_heads * s.head_dim);
        let kv = |b: &Block| Some(b.attention()?.shape).map(|s| s.n_kv_heads * s.head_dim);
        self.vectors(Part::QueryBias, "attn_q.bias", q)
            .vectors(Part::KeyBias, "attn_k.bias", kv)
            .vectors(Part::ValueBias, "attn_v.bias", kv)
    }

    /// Norms of each head's queries and keys.
    pub fn head_norms(&mut self) -> &mut Self {
        let head = |b: &Block| Some(b.attention()?.shape.head_dim);
        self.vectors(Part::QueryNorm, "attn_q_norm.weight", head)
            .vectors(Part::KeyNorm, "attn_k_norm.weight", head)
    }

    /// Gates, ups and downs, of all experts where there are some.
    pub fn feed_forward(&mut self) -> &mut Self {
        let dim = self.config.dim;
        for (i, block) in self.config.weight_blocks() {
            let hidden = block.feed_forward.hidden_dim();
            let up = (hidden, dim);
            let matrices = [
                (Part::Gate, "ffn_gate", up),
                (Part::Up, "ffn_up", up),
                (Part::Down, "ffn_down", (dim, hidden)),
            ];
            match block.feed_forward {
                FeedForward::Experts { n_experts, .. } => {
                    self.add(Some(i), Part::Router, "ffn_gate_inp.weight", n_experts, dim);
                    for (part, name, (rows, cols)) in matrices {
                        for e in 0..n_experts {
                            self.add(
                                Some(i),
                                part,
                                &format!("{name}_exps.{e}.weight"),
                                rows,
                                cols,
                            );
                            let spec = self.all.last_mut().expect("just added");
                            spec.slot.expert = Some(e);
                            spec.inside = Some((format!("blk.{i}.{name}_exps.weight"), e * rows));
                        }
                    }
                }
                FeedForward::None => {}
                FeedForward::Gated { .. }
                | FeedForward::Either { .. }
                | FeedForward::Plain { .. } => {
                    let plain = matches!(block.feed_forward, FeedForward::Plain { .. });
                    let either = matches!(block.feed_forward, FeedForward::Either { .. });
                    for (part, name, (rows, cols)) in &matrices[usize::from(plain)..] {
                        self.add(Some(i), *part, &format!("{name}.weight"), *rows, *cols);
                        if either && *part == Part::Gate {
                            self.optional();
                        }
                    }
                }
            }
        }
        self
    }
}
