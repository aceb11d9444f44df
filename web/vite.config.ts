import { defineConfig } from 'vite';

export default defineConfig({
  // Relative addresses: the page works under whatever path a proxy puts it.
  base: './',
  build: {
    // With index.html at the server's root these are /web/NAME-HASH.js (src/server/handlers/web.cc).
    assetsDir: 'web',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
    // The playground, and the operations page that the operations port has at its root.
    rollupOptions: { input: ['index.html', 'ops.html'] },
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  // `npm run dev` against a server that runs here.
  server: {
    proxy: {
      '/v1/organization': 'http://127.0.0.1:8081', '/metrics': 'http://127.0.0.1:8081', '/readyz': 'http://127.0.0.1:8081',
      '/v1': 'http://127.0.0.1:8080',
    },
  },
});
