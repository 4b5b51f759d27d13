// Where the certificates of a TLS connection to the daemon lie.

export interface TlsFiles {
  ca: string;
  cert: string;
  key: string;
  verify: boolean;
}
