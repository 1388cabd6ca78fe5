namespace Gauntlet.Guests.Images;

/// <summary>What an entry of an archive is: the file type bits of <c>st_mode</c> (inode(7)).</summary>
public enum CpioKind
{
    Pipe = 0x1000,
    CharacterDevice = 0x2000,
    Directory = 0x4000,
    BlockDevice = 0x6000,
    File = 0x8000,
    SymbolicLink = 0xa000,
    Socket = 0xc000,
}

/// <summary>One entry of an initramfs.</summary>
/// <param name="Path">Without a slash in front: <c>dev/console</c>.</param>
/// <param name="Permissions">The low 12 bits of <c>st_mode</c>.</param>
public sealed record CpioEntry(string Path, CpioKind Kind, int Permissions)
{
    public uint UserId { get; init; }

    public uint GroupId { get; init; }

    /// <summary>Seconds since 1970. Zero by default: the same recipe gives the same bytes.</summary>
    public uint ModifiedSeconds { get; init; }

    /// <summary>Names of it; further ones follow it in the archive with its <see cref="Inode"/>.</summary>
    public uint Links { get; init; } = 1;

    /// <summary>Links of one file share it; 0: the writer gives one.</summary>
    public uint Inode { get; init; }

    /// <summary>Of a device.</summary>
    public uint DeviceMajor { get; init; }

    /// <summary>Of a device.</summary>
    public uint DeviceMinor { get; init; }

    /// <summary>A file's bytes, or a symbolic link's target in UTF-8.</summary>
    public ReadOnlyMemory<byte> Content { get; init; }
}
