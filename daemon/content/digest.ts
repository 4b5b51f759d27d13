// How content is named (OCI image-spec "descriptor.md").

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** A sha256 digest in its one spelling, safe to be part of a path. */
export function isDigest(value: unknown): value is string {
  return typeof value === 'string' && DIGEST.test(value);
}

/** OCI image-spec "descriptor.md", as far as it is used. */
export interface Descriptor {
  mediaType: string;
  digest: string;
  /** Bytes. */
  size: number;
}
