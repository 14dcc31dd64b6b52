/* Loaded before the service, it answers every sync without syncing: the
   sabotage that the power cut test must catch. */
int fsync(int file) { (void)file; return 0; }
int fdatasync(int file) { (void)file; return 0; }
int sync_file_range(int file, long long offset, long long length, unsigned flags)
{
    (void)file; (void)offset; (void)length; (void)flags;
    return 0;
}
