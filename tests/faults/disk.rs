//! A disk whose power can be cut: XFS in a file, mounted through a loop device.
//!
//! `xfs_io -x -c shutdown` without `-f` drops what the file system holds in
//! memory, its log included; what was not synced is gone after the next mount,
//! as after a real cut. (With `-f` the log would be flushed first.)

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// XFS wants 300 MiB at least; the service keeps 64 MiB free.
const IMAGE_BYTES: u64 = 1 << 30;

pub struct Disk {
    image: PathBuf,
    pub mount: PathBuf,
    mounted: bool,
}

impl Disk {
    /// A new file system in `folder`.
    pub fn make(folder: &Path) -> Result<Self, String> {
        let (image, mount) = (folder.join("disk"), folder.join("mount"));
        let told = |error: std::io::Error| error.to_string();
        std::fs::create_dir(&mount).map_err(told)?;
        std::fs::File::create(&image).and_then(|file| file.set_len(IMAGE_BYTES)).map_err(told)?;
        run("mkfs.xfs", ["-q".as_ref(), image.as_os_str()])?;
        let mut disk = Self { image, mount, mounted: false };
        disk.mount()?;
        Ok(disk)
    }

    pub fn mount(&mut self) -> Result<(), String> {
        run("mount", ["-o".as_ref(), "loop".as_ref(), self.image.as_os_str(), self.mount.as_os_str()])?;
        self.mounted = true;
        Ok(())
    }

    /// From here on nothing reaches the disk.
    pub fn cut(&self) -> Result<(), String> {
        run("xfs_io", ["-x".as_ref(), "-c".as_ref(), "shutdown".as_ref(), self.mount.as_os_str()])
    }

    pub fn unmount(&mut self) -> Result<(), String> {
        run("umount", [self.mount.as_os_str()])?;
        self.mounted = false;
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.mounted
            && let Err(fault) = self.unmount()
        {
            eprintln!("{fault}; the mount stays");
        }
    }
}

fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<(), String> {
    // Where Debian puts what only root runs.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new(program).args(arguments).env("PATH", path).output();
    let output = output.map_err(|error| format!("{program} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
