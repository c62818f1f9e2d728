//! What an instruction count depends on beside the program: compiler, libc, processor.

use std::env;
use std::fmt;
use std::process::Command;

use crate::problem::{Outcome, While};

/// Counts are comparable where all of these are the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Toolchain {
    /// The compiler's name and version.
    pub(crate) rustc: String,
    /// Whose memcpy and malloc are counted.
    pub(crate) libc: String,
    /// The architecture, and the vector instructions that memchr finds.
    pub(crate) processor: String,
}

impl Toolchain {
    /// The one of this program and this machine.
    pub(crate) fn here() -> Outcome<Toolchain> {
        let rustc = env::var("RUSTC").unwrap_or("rustc".into());
        let libc = if cfg!(target_env = "gnu") {
            output("getconf", "GNU_LIBC_VERSION")?
        } else {
            "another libc".into()
        };
        Ok(Toolchain { rustc: output(&rustc, "--version")?, libc, processor: processor() })
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.rustc, self.libc, self.processor)
    }
}

fn output(program: &str, argument: &str) -> Outcome<String> {
    let doing = format!("run {program} {argument}");
    let output = Command::new(program).arg(argument).output().while_(&doing)?;
    if !output.status.success() {
        return Err(format!("cannot {doing}: {}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout).while_(&doing)?.trim().to_owned())
}

/// valgrind's processor has AVX2 where the real one has it, and nothing beyond.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let vectors = if is_x86_feature_detected!("avx2") { " with avx2" } else { " without avx2" };
    #[cfg(not(target_arch = "x86_64"))]
    let vectors = "";
    format!("{}{vectors}", env::consts::ARCH)
}
