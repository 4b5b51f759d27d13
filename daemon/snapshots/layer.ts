// What is known of a layer.

export interface Layer {
  readonly number: number;
  /** 'init': the mount points of containers, on top of an image. */
  readonly kind: 'image' | 'init';
  /** The chain id of an image's layer; "made:…" while that is not known. */
  readonly key: string;
  readonly parent: number | undefined;
  /** Digest of the layer's plain archive; empty for init layers, and while it is not known. */
  readonly diffId: string;
  readonly sizeBytes: number;
  /** Bytes of the plain archive; undefined for init layers and those of older versions. */
  readonly tarBytes: number | undefined;
  /** Which directory has its files: several layers may share one, on different parents. */
  readonly directory: number;
  /** Made in this boot of the host, and perhaps not on the disk yet; undefined: it is. */
  readonly boot: string | undefined;
}

/** What is known of a layer once its archive was made. */
export interface LayerDigest {
  readonly diffId: string;
  readonly sizeBytes: number;
  readonly tarBytes: number;
}
