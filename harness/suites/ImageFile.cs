using System.Buffers.Binary;
using Gauntlet.Linux;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Suites;

/// <summary>What the first bytes of an image tell.</summary>
/// <param name="Arch">As the kernel names it; null: can't be told.</param>
/// <param name="IsLinux">A Linux kernel: it boots, but says nothing about a verdict.</param>
/// <param name="IsMultiboot">Carries a multiboot 1 header, as kvm-unit-tests' x86 images do.</param>
/// <param name="IsScript">Starts with <c>#!</c>: no image at all.</param>
public readonly record struct ImageFile(string? Arch, bool IsLinux = false, bool IsMultiboot = false, bool IsScript = false)
{
    // Multiboot 0.6.96, 3.1: the header is in the first 8 KiB.
    private const int HeadBytes = 8192;
    private const uint MultibootMagic = 0x1badb002;

    /// <exception cref="UserException">It can't be read.</exception>
    public static ImageFile Inspect(string path)
    {
        if (Path.Exists(path) && !FileKind.IsRegular(path))
            throw new UserException($"{path}: is not a regular file, so not an image.");
        try
        {
            using var file = File.OpenHandle(path);
            var head = new byte[HeadBytes];
            var length = 0;
            while (length < head.Length && RandomAccess.Read(file, head.AsSpan(length), length) is > 0 and var read)
                length += read;
            return Inspect(head.AsSpan(0, length));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: the image can't be read: {e.Message}", inner: e);
        }
    }

    /// <summary>From the first bytes, as many as there are up to 8 KiB.</summary>
    public static ImageFile Inspect(ReadOnlySpan<byte> head)
    {
        // Documentation/arch/x86/boot.rst, arch/arm64/booting.rst, arch/riscv/boot-image-header.rst in Linux.
        if (head.Length >= 0x206 && head[0x202..0x206].SequenceEqual("HdrS"u8))
            return new ImageFile("x86_64", IsLinux: true);
        if (head.Length >= 0x3c && head[0x38..0x3c].SequenceEqual("ARM\x64"u8))
            return new ImageFile("aarch64", IsLinux: true);
        if (head.Length >= 0x3c && head[0x38..0x3c].SequenceEqual("RSC\x05"u8))
            return new ImageFile("riscv64", IsLinux: true);
        var multiboot = HasMultibootHeader(head);
        if (head.Length < 20 || !head.StartsWith("\x7fELF"u8))
            return new ImageFile(multiboot ? "x86_64" : null, IsMultiboot: multiboot, IsScript: head.StartsWith("#!"u8));
        var machine = head[5] == 2 ? BinaryPrimitives.ReadUInt16BigEndian(head[18..]) : BinaryPrimitives.ReadUInt16LittleEndian(head[18..]);
        // ELF's e_machine. An i386 ELF is how x86-64 images come: multiboot loads nothing else.
        var arch = machine switch { 3 or 62 => "x86_64", 183 => "aarch64", 243 => head[4] == 1 ? "riscv32" : "riscv64", _ => null };
        return new ImageFile(arch, IsMultiboot: multiboot);
    }

    private static bool HasMultibootHeader(ReadOnlySpan<byte> head)
    {
        for (var at = 0; at + 12 <= head.Length; at += 4)
        {
            if (BinaryPrimitives.ReadUInt32LittleEndian(head[at..]) == MultibootMagic
                && unchecked(MultibootMagic + BinaryPrimitives.ReadUInt32LittleEndian(head[(at + 4)..]) + BinaryPrimitives.ReadUInt32LittleEndian(head[(at + 8)..])) == 0)
                return true;
        }

        return false;
    }
}
