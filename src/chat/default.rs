//! Templates for files that carry none, chosen by the markup that the vocabulary has as control tokens.

use crate::tokenizer::Tokenizer;

struct Default {
    /// Control tokens without which it makes no sense.
    markup: &'static [&'static str],
    name: &'static str,
    source: &'static str,
}

/// The first whose markup is there; the last needs none.
const DEFAULTS: [Default; 7] = [
    Default {
        markup: &["<|im_start|>", "<|im_end|>"],
        name: "ChatML",
        source: "{% for message in messages %}\
{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}\
{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    },
    Default {
        markup: &["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        name: "headers",
        source: "{{ bos_token }}{% for message in messages %}\
{{ '<|start_header_id|>' + message.role + '<|end_header_id|>\n\n' + message.content | trim + '<|eot_id|>' }}\
{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}",
    },
    Default {
        markup: &["<start_of_turn>", "<end_of_turn>"],
        name: "turns",
        // These models know no system role: what it says stands before the next message.
        source: "{{ bos_token }}{% set held = namespace(text='') %}{% for message in messages %}\
{% if message.role == 'system' %}{% set held.text = held.text + message.content | trim + '\n\n' %}{% else %}\
{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' }}\
{{ held.text + message.content | trim + '<end_of_turn>\n' }}{% set held.text = '' %}{% endif %}\
{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
    },
    Default {
        markup: &["<|user|>", "<|assistant|>", "<|end|>"],
        name: "role tags",
        source: "{% for message in messages %}\
{{ '<|' + message.role + '|>\n' + message.content + '<|end|>\n' }}\
{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}",
    },
    Default {
        markup: &["<｜User｜>", "<｜Assistant｜>"],
        name: "speakers",
        source: "{{ bos_token }}{% for message in messages %}\
{% if message.role == 'assistant' %}{{ '<｜Assistant｜>' + message.content + eos_token }}\
{% elif message.role == 'system' %}{{ message.content }}\
{% else %}{{ '<｜User｜>' + message.content }}{% endif %}\
{% endfor %}{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% endif %}",
    },
    Default {
        markup: &["[INST]", "[/INST]"],
        name: "instructions",
        source: "{{ bos_token }}{% set held = namespace(text='') %}{% for message in messages %}\
{% if message.role == 'system' %}{% set held.text = held.text + message.content + '\n\n' %}\
{% elif message.role == 'assistant' %}{{ ' ' + message.content + eos_token }}{% else %}\
{{ '[INST] ' + held.text + message.content + ' [/INST]' }}{% set held.text = '' %}{% endif %}\
{% endfor %}",
    },
    Default {
        markup: &[],
        name: "\"User: …\" and \"Assistant: …\"",
        source: "{% if add_bos %}{{ bos_token }}{% endif %}{% for message in messages %}\
{{ message.role | capitalize + ': ' + message.content + '\n\n' }}\
{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}",
    },
];

/// The source, and its name for people.
pub(super) fn for_markup(tokenizer: &Tokenizer) -> (&'static str, &'static str) {
    let is_control = |piece: &&str| {
        tokenizer
            .id(piece)
            .is_some_and(|id| tokenizer.is_control(id))
    };
    let [.., plain] = &DEFAULTS;
    let fits = |row: &&Default| row.markup.iter().all(is_control);
    let row = DEFAULTS.iter().find(fits).unwrap_or(plain);
    (row.source, row.name)
}
