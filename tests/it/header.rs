//! The committed C header is what the sources say.

use std::path::Path;

/// In the order in which the header has them.
const SOURCES: [&str; 17] = [
    "constants",
    "version",
    "guard",
    "error",
    "options",
    "context",
    "metrics",
    "store",
    "dataset",
    "garbage",
    "reader",
    "generate",
    "split",
    "writer",
    "verify",
    "upload",
    "log",
];

fn generate() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(root.join(format!("src/ffi/{source}.rs")));
    }
    let mut header = Vec::new();
    builder.generate().unwrap().write(&mut header);
    String::from_utf8(header).unwrap()
}

#[test]
fn the_committed_header_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("include/arrowredis.h");
    let generated = generate();
    if std::env::var_os("ARROWREDIS_UPDATE").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "include/arrowredis.h is out of date: run `make header`");
}
