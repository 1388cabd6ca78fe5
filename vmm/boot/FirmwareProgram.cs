using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Memory;

namespace Gauntlet.Vmm.Boot;

/// <summary>
/// Firmware in ROM that ends at 4 GiB, entered as hardware does: in real mode at the reset vector. Its last 128 KiB are seen below 1 MiB too, where it runs
/// until it has the chip set show RAM there.
/// </summary>
/// <remarks>SDM Vol. 3A, 11.1.4 (first instruction at 0xfffffff0).</remarks>
public sealed class FirmwareProgram : IBootProgram
{
    /// <summary>Bytes of an image: 64 KiB to 8 MiB, as chip sets decode, in whole units of 64 KiB.</summary>
    public const int MinBytes = 64 << 10, MaxBytes = 8 << 20;

    private const ulong End = 1UL << 32;

    private readonly string _name;
    private readonly byte[] _image;

    /// <exception cref="BootException">A size that no chip set decodes.</exception>
    public FirmwareProgram(string name, byte[] image)
    {
        if (image.Length is < MinBytes or > MaxBytes || image.Length % MinBytes != 0)
            throw new BootException($"could not load firmware '{name}': {image.Length} bytes, where 64 KiB to 8 MiB in units of 64 KiB are possible");
        (_name, _image) = (name, image);
    }

    /// <summary>Of the ROM, in bytes.</summary>
    public int Bytes => _image.Length;

    /// <summary>Where the ROM starts.</summary>
    public ulong Address => End - (ulong)_image.Length;

    public void Start(GuestMemory memory, ref X86State state)
    {
        if (!memory.TryLoad(Address, _image))
            throw new BootException($"could not load firmware '{_name}': the machine has no ROM of {_image.Length} bytes");
    }
}
