//! The programs a bench needs.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::peer::Kind;

/// Where the programs are.
#[derive(Debug)]
pub struct Tools {
    /// The origin.
    pub nginx: PathBuf,
    /// The load.
    pub wrk: PathBuf,
    /// Beside this program, from the same `cargo build --release`.
    built: PathBuf,
    /// What `scripts/install-bench-deps.sh` installs by cargo.
    installed: PathBuf,
}

impl Tools {
    /// Finds what no bench can do without.
    ///
    /// # Errors
    /// nginx or wrk is missing.
    pub fn find() -> Result<Self> {
        let this = env::current_exe().context("cannot tell where this program is")?;
        let built = this.parent().context("this program is in no directory")?.to_owned();
        Ok(Self {
            nginx: on_path("nginx")?,
            wrk: on_path("wrk")?,
            built,
            installed: Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools/bin"),
        })
    }

    /// A program of this workspace.
    ///
    /// # Errors
    /// It was not built.
    pub fn built(&self, name: &str) -> Result<PathBuf> {
        let path = self.built.join(name);
        if !path.is_file() {
            bail!("{} is not there: cargo build --release --workspace --bins", path.display());
        }
        Ok(path)
    }

    /// Another tunnel.
    ///
    /// # Errors
    /// It was not installed, perhaps because it does not compile.
    pub fn installed(&self, name: &str) -> Result<PathBuf> {
        let path = self.installed.join(name);
        if !path.is_file() {
            bail!("{name} is not installed: {INSTALL} (it says so if {name} does not build)");
        }
        Ok(path)
    }

    /// Whether the programs of a peer are there.
    ///
    /// # Errors
    /// Which one is not, and what to do.
    pub fn check(&self, kind: Kind) -> Result<()> {
        match kind {
            Kind::Origin => {}
            Kind::Plain => drop(self.built("plain-pingora")?),
            Kind::Wingman => {
                self.built("wingman-edge")?;
                self.built("wingman")?;
            }
            Kind::Bore => drop(self.installed("bore")?),
            Kind::Rathole => drop(self.installed("rathole")?),
        }
        Ok(())
    }
}

fn on_path(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Debian keeps nginx where only root's PATH looks.
    env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .with_context(|| format!("{name} is not installed: {INSTALL}"))
}

const INSTALL: &str = "run scripts/install-bench-deps.sh";
