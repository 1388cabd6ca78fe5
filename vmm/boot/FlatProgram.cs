using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>
/// A binary without headers, started in real mode at 1000:0000 with the stack at 1000:8000: where kvmtool puts one.
/// </summary>
public sealed class FlatProgram : IBootProgram
{
    /// <summary>The segment that it is loaded at and that all segment registers hold.</summary>
    public const ushort Segment = 0x1000;

    private const ushort StackPointer = 0x8000;
    private const uint CodeAttributes = 0x009b, DataAttributes = 0x0093;
    private const uint RealModeLimit = 0xffff;

    // From its load address to the end of conventional memory.
    private const int MaxBytes = (int)(MemoryMap.EbdaAddress - Segment * 16);

    private readonly byte[] _image;

    /// <exception cref="BootException">It is empty, or does not fit below the EBDA.</exception>
    public FlatProgram(string name, byte[] image)
    {
        if (image.Length is 0 or > MaxBytes)
            throw new BootException($"could not load kernel '{name}': a flat binary has 1 to {MaxBytes} bytes, this one {image.Length}");
        _image = image;
    }

    public void Start(GuestMemory memory, ref X86State state)
    {
        if (!memory.TryLoad(Segment * 16, _image))
            throw new BootException($"a flat binary of {_image.Length} bytes does not fit the guest's RAM at 0x{Segment * 16:x}; give it more with -m");
        var data = new X86Segment(Segment, Segment * 16, RealModeLimit, DataAttributes);
        (state.Ds, state.Es, state.Fs, state.Gs, state.Ss) = (data, data, data, data, data);
        state.Cs = new X86Segment(Segment, Segment * 16, RealModeLimit, CodeAttributes);
        state.Rip = 0;
        state.Gpr[4] = StackPointer;
        state.Rflags = 2;
        state.Activity = X86Activity.Running;
    }
}
