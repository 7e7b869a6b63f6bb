// A page without a server: `next build` writes files for any static host.

export default { output: "export" };
