using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>A file handed to the guest beside its kernel.</summary>
/// <param name="Bytes">Its content.</param>
/// <param name="CommandLine">As the guest sees it: path and arguments.</param>
public sealed record BootModule(byte[] Bytes, string CommandLine);

/// <summary>An image that was read and checked, ready to be put into a machine, again at each reset.</summary>
public interface IBootProgram
{
    /// <summary>Writes the image into memory and sets what the boot protocol says of the bootstrap processor, which is in reset state.</summary>
    /// <exception cref="BootException">It does not fit this memory.</exception>
    void Start(GuestMemory memory, ref X86State state);
}

/// <summary>A program with a command line that a board can add to, to tell of what a kernel does not find by itself. Before its first start.</summary>
public interface IKernelArguments
{
    /// <param name="argument">Goes behind what is there.</param>
    /// <exception cref="BootException">The kernel does not take as much.</exception>
    void AppendArgument(string argument);
}
