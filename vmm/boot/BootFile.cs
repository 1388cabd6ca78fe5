using System.Runtime.InteropServices;
using Gauntlet.Linux;

namespace Gauntlet.Vmm.Boot;

/// <summary>Reads a kernel or a module from the host's file system.</summary>
public static class BootFile
{
    private const int FileTooLarge = 27;

    /// <summary>The whole file.</summary>
    /// <param name="path">As the user gave it.</param>
    /// <param name="what">For the message: <c>kernel</c>, <c>initrd</c>.</param>
    /// <param name="limit">In bytes; a file above it is refused before it is read.</param>
    /// <exception cref="BootException">It is not there, is not readable, is not a file, or is too large.</exception>
    public static byte[] Read(string path, string what, ulong limit)
    {
        try
        {
            return WholeFile.Read(path, limit);
        }
        catch (LinuxException why) when (why.Errno == FileTooLarge)
        {
            throw new BootException($"could not load {what} '{path}': it has more than the {limit} bytes of the guest's RAM; give it more with -m");
        }
        catch (LinuxException why)
        {
            throw new BootException($"could not open {what} file '{path}': {Marshal.GetPInvokeErrorMessage(why.Errno)}");
        }
    }
}
