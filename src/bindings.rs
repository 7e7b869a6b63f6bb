//! The only file that names `wasm_bindgen`; converts, never decides.
