// What all netfilter messages begin with (linux/netfilter/nfnetlink.h). Pure.

/** struct nfgenmsg. */
export function generic(family: number, resource = 0): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt8(family, 0);
  header.writeUInt16BE(resource, 2);
  return header;
}
