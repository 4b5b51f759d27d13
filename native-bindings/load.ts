// Loads the FFI itself. A worker thread that ends after it loaded ffi-napi takes the whole process down (SIGSEGV) unless the main
// thread has loaded it before: whatever starts worker threads that use native bindings imports this module first, on the main thread.
import ffi from 'ffi-napi';
import bindings from 'ffi-napi/lib/bindings.js';
import ref from 'ref-napi';

export const { ffi_call: ffiCall } = bindings;
export { ffi, ref };

/** Opens a shared library; null is what the process itself is linked with (libc). Throws the loader's message when it is missing. */
export function openLibrary(name: string | null): InstanceType<typeof ffi.DynamicLibrary> {
  return new ffi.DynamicLibrary(name);
}
