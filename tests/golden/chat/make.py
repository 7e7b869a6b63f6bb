"""Writes cases.jsonl: what `transformers` makes of every template in templates/ with every conversation below.

    pip install transformers==5.23.0 jinja2==3.1.6
    python tests/golden/chat/make.py

The templates have the shapes of those that models carry: ChatML, [INST], turns, headers, tools, thinking, macros.
A case holds the text, or the message with which the template refused.
"""

import json
from datetime import datetime
from pathlib import Path

from jinja2.exceptions import TemplateError
from transformers.utils import chat_template_utils

NOW = 1753531200  # 2025-07-26 12:00:00


class FrozenTime(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime(2025, 7, 26, 12, 0, 0)


chat_template_utils.datetime = FrozenTime


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def system(text):
    return {"role": "system", "content": text}


CALL = {"id": "abc123def", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Zürich", "days": 2}}}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Weather of a city <today>",
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "The city's \"name\""},
                    "days": {"type": "integer", "default": 1},
                    "unit": {"type": "string", "enum": ["C", "F"], "default": "C", "nullable": True},
                    "spots": {"type": "array", "items": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": ["number", "null"]}}, "required": ["lat"]}},
                },
                "required": ["city"],
            },
        },
    },
    {"type": "function", "function": {"name": "now", "description": "The time", "parameters": {"type": "object", "properties": {}}}},
]

CONVERSATIONS = [
    [user("What is the capital of France?")],
    [system("  You are terse.\n"), user("Hi\n")],
    [user("a"), assistant("b"), user("c")],
    [system("S /no_think"), user("one"), assistant("two\n\nthree "), user(" four "), assistant("five")],
    [user("Hi"), user("again")],
    [assistant("I start"), user("ok")],
    [system("only system")],
    [user("Think"), assistant("<think>\nhm\n</think>\n\nDone"), user("More"), assistant("<think>so</think>yes")],
    [user("Think"), assistant("Done", reasoning_content="because\n"), user("More")],
    [user("Weather?"), assistant("", tool_calls=[CALL]), {"role": "tool", "content": "{\"t\": 21}", "tool_call_id": "abc123def", "name": "get_weather"}],
    [user("Weather?"), assistant("Let me see.", tool_calls=[CALL, CALL]), {"role": "tool", "content": "21"}, {"role": "tool", "content": "22"}, assistant("21"), user("Thanks")],
    [user("Ünïcödé 你好 🤖 <b>&amp;</b> \"quotes\" 'single' \\ back {{ braces }} {% tag %}\ttab")],
    [{"role": "developer", "content": "Dev"}, user("Hi")],
    [user("")],
]
OPTIONS = [
    {"add_generation_prompt": True},
    {"add_generation_prompt": False},
    {"add_generation_prompt": True, "tools": TOOLS},
    {"add_generation_prompt": True, "variables": {"enable_thinking": False, "controls": {"length": "short", "n": 1.5}}},
]


def render(source, messages, options):
    variables = options.get("variables", {})
    try:
        texts, _ = chat_template_utils.render_jinja_template(
            conversations=[messages],
            tools=options.get("tools"),
            documents=None,
            chat_template=source,
            add_generation_prompt=options["add_generation_prompt"],
            bos_token="<|im_start|>",
            eos_token="<|im_end|>",
            **variables,
        )
        return {"text": texts[0]}
    except (TemplateError, TypeError) as error:
        return {"error": str(error)}


def main():
    here = Path(__file__).parent
    cases = []
    for path in sorted(here.glob("templates/*.jinja")):
        source = path.read_text(encoding="utf-8")
        for conversation, messages in enumerate(CONVERSATIONS):
            for option, options in enumerate(OPTIONS):
                result = render(source, messages, options)
                cases.append({"template": path.stem, "conversation": conversation, "option": option, **result})
    head = {"now": NOW, "conversations": CONVERSATIONS, "options": OPTIONS}
    lines = [json.dumps(line, ensure_ascii=False) for line in [head, *cases]]
    (here / "cases.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
