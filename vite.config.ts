import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

/**
 * The admin page: `vite` serves it beside a proxy on port 3000, `vite build` makes `dist/admin`.
 */
export default defineConfig({
  root: "admin-ui",
  base: "/",
  plugins: [react()],
  build: {
    outDir: "../dist/admin",
    emptyOutDir: true,
    target: "es2023",
    // Its Content-Security-Policy allows neither inline scripts nor fonts in data URLs.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
  },
  server: {
    host: "127.0.0.1",
    proxy: { "/api": "http://127.0.0.1:3000", "/health": "http://127.0.0.1:3000" },
  },
});
