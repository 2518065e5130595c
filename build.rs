//! How the shared library is linked: its name for the loader, and that it is never unloaded, since its threads
//! outlive every call.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if target == "linux" {
        // The number changes with ARROWREDIS_ABI_VERSION.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libarrowredis.so.1");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        // Dependencies that have a C interface of their own keep it to themselves.
        println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    } else if target == "macos" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libarrowredis.1.dylib");
    }
}
