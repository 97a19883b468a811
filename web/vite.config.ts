import { defineConfig } from "vite";

// The bundle is committed, so that `cargo build` needs no Node: its names never change and the build is deterministic.
export default defineConfig({
    base: "./",
    oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
    build: {
        outDir: "../crates/server/page",
        emptyOutDir: true,
        target: "es2022",
        modulePreload: false,
        cssCodeSplit: false,
        assetsInlineLimit: 0,
        reportCompressedSize: false,
        rollupOptions: {
            output: {
                entryFileNames: "page.js",
                chunkFileNames: "[name].js",
                assetFileNames: (asset) => (asset.names.some((name) => name.endsWith(".css")) ? "page.css" : "[name][extname]"),
            },
        },
    },
    // The server compares Origin with Host, so the proxy must not put its own.
    server: { proxy: { "/api": { target: "http://127.0.0.1:8080", changeOrigin: false } } },
});
