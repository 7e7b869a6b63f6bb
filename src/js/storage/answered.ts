// What a browser's storage may leave unanswered for ever, as Chromium does with files whose site data is cleared under way: waited for, but not for ever.

const TICK_MS = 5000;
const TICKS = 6;

/** Rejects where nothing comes in half a minute. Counted in ticks, so that a device's sleep is one of them and not the end. */
export async function answered<T>(asked: Promise<T>): Promise<T> {
  let ticks = 0;
  let timer: ReturnType<typeof setInterval> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      if (++ticks < TICKS) return;
      reject(new Error("the browser's storage does not answer"));
    }, TICK_MS);
  });
  try {
    return await Promise.race([asked, silence]);
  } finally {
    clearInterval(timer);
  }
}
