// Trusted Types: scripts and workers come from this page's own host, and text becomes markup only through DOMPurify.
// In browsers without them the content security policy alone holds.

interface Policies {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): unknown;
}

const { trustedTypes } = globalThis as { trustedTypes?: Policies };

/** The libraries that start workers hand over text; the default policy is what looks at it. */
trustedTypes?.createPolicy("default", {
  createScriptURL: (url) => {
    if (new URL(url, document.baseURI).origin === location.origin) return url;
    throw new TypeError(`${url} is not a script of this page`);
  },
});
