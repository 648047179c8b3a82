/** What wrangler makes of an import that ends in `.wasm`: a compiled module. */
declare module "*.wasm" {
  const wasmModule: WebAssembly.Module;
  export default wasmModule;
}
