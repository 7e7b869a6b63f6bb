// What the steps of storing and reading a file cost by themselves, in a worker: the floor of what a visit can take. Runs beside nothing.

const CHUNK = 4 * 1024 * 1024;
const PIECE = 256 * 1024;
const ROUNDS = 3;

/** Milliseconds of each step in each round. */
const taken = {};

async function step(name, work) {
  const beganAt = performance.now();
  await work();
  (taken[name] ??= []).push(performance.now() - beganAt);
}

/** Random, as zeros compress away; one chunk's memory for all, as the engine's is used again and again. */
const chunk = new Uint8Array(CHUNK);
for (let at = 0; at < CHUNK; at += 65536) {
  crypto.getRandomValues(chunk.subarray(at, at + 65536));
}
const digest = (bytes) => crypto.subtle.digest("SHA-256", bytes);

function pieces(size) {
  const count = CHUNK / size;
  return Array.from({ length: count }, (_, index) => index * size);
}

async function fetched(source) {
  const answer = await fetch(source, { cache: "no-store" });
  let reader;
  let read;
  try {
    reader = answer.body.getReader({ mode: "byob" });
    let memory = new ArrayBuffer(PIECE);
    read = async () => {
      const { done, value } = await reader.read(new Uint8Array(memory));
      if (value) memory = value.buffer;
      return done;
    };
  } catch {
    reader = answer.body.getReader();
    read = async () => (await reader.read()).done;
  }
  while (!(await read()));
}

async function hashing(count) {
  await step("SHA-256 of chunks", async () => {
    for (let n = 0; n < count; n++) await digest(chunk);
  });
  await step("SHA-256 of their leaves", async () => {
    for (let n = 0; n < count; n++) {
      const leaf = (at) => digest(chunk.subarray(at, at + PIECE));
      await Promise.all(pieces(PIECE).map(leaf));
    }
  });
}

async function files(count, round) {
  const root = await navigator.storage.getDirectory();
  const name = `steps-${round}`;
  const folder = await root.getDirectoryHandle(name, { create: true });
  const open = async (file) =>
    (
      await folder.getFileHandle(file, { create: true })
    ).createSyncAccessHandle();
  const write = async (prefix, size) => {
    for (let n = 0; n < count; n++) {
      const access = await open(prefix + n);
      for (const at of pieces(size)) {
        access.write(chunk.subarray(at, at + size), { at });
      }
      access.close();
    }
  };
  await step("OPFS write, chunks at once", () => write("a", CHUNK));
  await step("OPFS write, 256 KiB at a time", () => write("b", PIECE));
  await step("OPFS read", async () => {
    for (let n = 0; n < count; n++) {
      const access = await open(`b${n}`);
      access.read(chunk, { at: 0 });
      access.close();
    }
  });
  await root.removeEntry(name, { recursive: true });
}

function request(work) {
  return new Promise((resolve, reject) => {
    const asked = work();
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function database(count, round) {
  const name = `steps-${round}`;
  const opening = indexedDB.open(name);
  opening.onupgradeneeded = () => opening.result.createObjectStore("chunks");
  const base = await request(() => opening);
  const write = (work) =>
    new Promise((resolve, reject) => {
      const options = { durability: "relaxed" };
      const transaction = base.transaction("chunks", "readwrite", options);
      work(transaction.objectStore("chunks"));
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error);
    });
  const read = (n) =>
    request(() => base.transaction("chunks").objectStore("chunks").get(n));
  await step("IndexedDB, a small record for each chunk", async () => {
    for (let n = 0; n < count; n++) {
      await write((store) => store.put({ n }, `r${n}`));
    }
  });
  // Not every engine stores Blobs.
  const form = await write((store) => store.put(new Blob(["a"]), "probe")).then(
    () => "Blobs",
    () => "ArrayBuffers",
  );
  await step(`IndexedDB write, ${form}`, async () => {
    for (let n = 0; n < count; n++) {
      const value = form === "Blobs" ? new Blob([chunk]) : chunk.buffer;
      await write((store) => store.put(value, n));
    }
  });
  await step(`IndexedDB read, ${form}`, async () => {
    for (let n = 0; n < count; n++) await (await read(n)).arrayBuffer?.();
  });
  base.close();
  await request(() => indexedDB.deleteDatabase(name));
}

onmessage = async ({ data }) => {
  const { source, fileBytes } = JSON.parse(decodeURIComponent(data));
  const count = Math.round(fileBytes / CHUNK);
  try {
    for (let round = 0; round < ROUNDS; round++) {
      await step("fetch", () => fetched(source));
      await hashing(count);
      const hasFiles =
        "createSyncAccessHandle" in
        (self.FileSystemFileHandle?.prototype ?? {});
      if (hasFiles) await files(count, round);
      await database(count, round);
    }
    postMessage({ taken });
  } catch (error) {
    postMessage({ error: String(error) });
  }
};
