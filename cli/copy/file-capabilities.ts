// File capabilities (what `setcap` gives a program) are an extended attribute, which node:fs does not know: for these alone the command line
// calls the kernel itself. The FFI is a bundle of its own (dist/xattrs.mjs) that only copies load, so that no command starts slower for it.
import { CAPABILITY_XATTR } from '../../daemon/protocols/tar/tar-entry.ts';

/** The kernel's struct vfs_cap_data (linux/capability.h): the revision is the highest byte of its first word, in little endian. */
const revisionByte = 3;
const revision2Bytes = 20;
/** No binaries for this machine, or such as its C library does not take. */
const notHere = ['NO_BINARIES', 'ERR_DLOPEN_FAILED'];
/** EPERM: a user without CAP_SETFCAP. ENOTSUP: a file system without attributes. */
const keptOut = ['EPERM', 'ENOTSUP'];

export interface FileCapabilities {
  /** Of an open file, as an archive keeps it; undefined when there is none or none that holds here. */
  read(fd: number): Buffer | undefined;
  /** Gives them to an open file. Returns why this user or this file system cannot; throws for a value that is none. */
  write(fd: number, value: Buffer): string | undefined;
}

/** Undefined where the FFI cannot be loaded: a client alone, on a machine that there are no binaries for. */
export async function loadFileCapabilities(): Promise<FileCapabilities | undefined> {
  const attributes = await import('../../native-bindings/xattrs.ts').catch((error: unknown) => {
    if (notHere.includes(codeOf(error))) return undefined;
    throw error;
  });
  if (!attributes) return undefined;
  return {
    read(fd) {
      try {
        return ofAnyNamespace(attributes.fgetxattr(fd, CAPABILITY_XATTR));
      } catch {
        // No attributes on this file system (ENOTSUP), or of another user namespace (EOVERFLOW): no capabilities are in force here.
        return undefined;
      }
    },
    write(fd, value) {
      try {
        attributes.fsetxattr(fd, CAPABILITY_XATTR, value);
        return undefined;
      } catch (error) {
        const code = codeOf(error);
        if (keptOut.includes(code)) return code === 'EPERM' ? 'not permitted' : 'not supported by the file system';
        throw error;
      }
    },
  };
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/**
 * Revision 3 names the root user of the user namespace that the capabilities hold in, which means nothing where the archive is unpacked:
 * docker's client makes revision 2 of it, and so does this one.
 */
function ofAnyNamespace(value: Buffer | undefined): Buffer | undefined {
  if (value?.[revisionByte] !== 3) return value;
  const made = Buffer.from(value.subarray(0, revision2Bytes));
  made[revisionByte] = 2;
  return made;
}
