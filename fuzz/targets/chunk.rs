#![no_main]

libfuzzer_sys::fuzz_target!(init: arrowredis_fuzz::remember_panics(), |bytes: &[u8]| {
    arrowredis_fuzz::run(|| {
        arrowredis::fuzzing::chunk(bytes);
        // A chunk is an IPC stream; other streams have more batches.
        arrowredis::fuzzing::ipc_stream(bytes);
    });
});
