using System.Runtime.InteropServices;

namespace Gauntlet.Linux;

public static unsafe partial class Libc
{
    /// <summary>geteuid(2): 0 is root.</summary>
    [LibraryImport(Library)]
    public static partial uint geteuid();
}
