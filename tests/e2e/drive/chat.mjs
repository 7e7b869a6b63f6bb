// `cargo xtask demo --prompt`: one answer from a headless browser, printed as it streams, then what it took.

import { open } from "./browser.mjs";
import { events } from "./run.mjs";

/** What is printed at the end; the same in both forms. */
function report(run, info, done, text) {
  const { timings } = done;
  const round = (value) => Math.round(value * 100) / 100;
  return {
    model: info.name,
    format: info.format,
    flavour: info.flavour,
    threads: info.threads,
    prompt_tokens: done.promptTokens,
    generated_tokens: done.generated,
    prefill_tps: round(timings.prefillTps),
    decode_tps: round(timings.decodeTps),
    time_to_first_token_ms: round(timings.timeToFirstTokenMs),
    load_ms: round(info.loadMs),
    finish: done.finish,
    seed: run.seed,
    text,
  };
}

function print(report) {
  const line = (name, value) => console.log(`${name.padEnd(20)} ${value}`);
  console.log("\n");
  line("model", `${report.model} (${report.format})`);
  line("flavour", `${report.flavour}, threads: ${report.threads}`);
  line("prompt tokens", report.prompt_tokens);
  line("generated tokens", report.generated_tokens);
  line("prefill", `${report.prefill_tps} tok/s`);
  line("decode", `${report.decode_tps} tok/s`);
  line("time to first token", `${report.time_to_first_token_ms} ms`);
  line("load", `${report.load_ms} ms`);
}

/** @param {{ browser: import("./browser.mjs").Driven, address: string, json: boolean, run: object }} options */
async function chat({ browser, address, json, run }) {
  const page = await open(browser);
  try {
    let info;
    let text = "";
    for await (const event of events(page, address, run)) {
      if (event.type === "loaded") {
        info = event.info;
      } else if (event.type === "text") {
        text += event.text;
        if (!json) process.stdout.write(event.text);
      } else if (event.type === "done") {
        const summary = report(run, info, event, text);
        if (json) console.log(JSON.stringify(summary));
        else print(summary);
      }
    }
  } finally {
    await page.close();
  }
}

await chat(JSON.parse(process.argv[2])).catch((error) => {
  console.error(`✗ ${error.message}`);
  process.exitCode = 1;
});
