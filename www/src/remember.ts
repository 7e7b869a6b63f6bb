// Small choices kept in localStorage. Where the browser keeps nothing, the next visit starts as the first did.

export function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** `undefined` forgets. */
export function write(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    return;
  }
}

const OWN = /^smidgen:/;

/** All of them. */
export function forgetChoices(): void {
  try {
    for (const key of Object.keys(localStorage))
      if (OWN.test(key)) localStorage.removeItem(key);
  } catch {
    return;
  }
}
