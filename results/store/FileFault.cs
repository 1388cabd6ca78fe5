namespace Gauntlet.Results.Store;

/// <summary>What a failed file operation means to a user.</summary>
internal static class FileFault
{
    // errno values of Linux, which .NET hands on as HResult of an IOException.
    private const int EIO = 5, EFBIG = 27, ENOSPC = 28, EROFS = 30, EDQUOT = 122;

    public static (string Found, string Advice) Explain(Exception exception) => exception switch
    {
        UnauthorizedAccessException => (exception.Message, "Give write permission to the folder and the files in it, or name another with --results."),
        Linux.LinuxException { Errno: ENOSPC or EDQUOT } or { HResult: ENOSPC or EDQUOT } => (
            "the disk is full", "Free some space, or name a store elsewhere with --results; what was stored before is kept."),
        { HResult: EROFS } => ("its file system is read-only", "Name a store elsewhere with --results."),
        { HResult: EFBIG } => ("a file would pass the limit on file size", "Raise the limit (ulimit -f), or name a store elsewhere with --results."),
        { HResult: EIO } => ("the disk reports an error", "See the kernel's log; what was stored before may have to be copied away."),
        _ => (exception.Message, "Check the folder and its disk, or name another with --results."),
    };
}
