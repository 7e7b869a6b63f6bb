// What a page's origin still keeps: records of every database, files of the origin private file system.

/** Evaluated in the page; resolves with `{ records: { "database/store": count }, files: string[] }`. */
export const LEFTOVERS = `(async () => {
  const settled = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const records = {};
  for (const { name } of await indexedDB.databases()) {
    const db = await settled(indexedDB.open(name));
    for (const store of db.objectStoreNames)
      records[name + "/" + store] = await settled(db.transaction(store).objectStore(store).count());
    db.close();
  }
  const files = [];
  const root = await navigator.storage?.getDirectory?.().catch(() => undefined);
  if (root)
    for await (const [name, handle] of root)
      if (handle.kind === "directory")
        for await (const inner of handle.keys()) files.push(name + "/" + inner);
  return { records, files };
})()`;
