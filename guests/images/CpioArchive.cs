using System.Globalization;
using System.Text;

namespace Gauntlet.Guests.Images;

/// <summary>
/// Archives in cpio's "newc" format, the one that the kernel unpacks into its root (Linux, Documentation/driver-api/early-userspace/buffer-format.rst): a header of 110
/// ASCII characters, the name, the content, each padded to 4 bytes; the end is an entry named <c>TRAILER!!!</c>.
/// </summary>
public static class CpioArchive
{
    private const string Magic = "070701";
    private const string Trailer = "TRAILER!!!";
    private const int Alignment = 4, HeaderBytes = 110, FieldDigits = 8;

    /// <summary>Archives are padded to whole blocks, as cpio(1) does.</summary>
    private const int BlockBytes = 512;

    /// <summary>PATH_MAX: the kernel refuses longer names.</summary>
    public const int MaxNameBytes = 4095;

    /// <summary>Inode numbers that the writer gives; the same as gen_init_cpio's first.</summary>
    private const uint FirstInode = 721;

    /// <summary>Writes entries in their order. Parents come before what is in them, or the kernel passes over it.</summary>
    /// <exception cref="ArgumentException">A name is empty, too long, absolute, or that of the trailer; a content is over 4 GiB.</exception>
    public static void Write(Stream archive, IEnumerable<CpioEntry> entries)
    {
        var inode = FirstInode;
        long position = 0;
        foreach (var entry in entries)
        {
            if (entry.Path.Length == 0 || entry.Path[0] == '/' || entry.Path == Trailer || entry.Path.Contains('\0'))
                throw new ArgumentException($"'{entry.Path}' cannot be a name in an archive");
            Add(entry with { Inode = entry.Inode == 0 ? inode++ : entry.Inode });
        }
        Add(new CpioEntry(Trailer, 0, 0));
        archive.Write(new byte[(int)(-position & (BlockBytes - 1))]);

        void Add(CpioEntry entry)
        {
            var name = Encoding.UTF8.GetBytes(entry.Path);
            if (name.Length > MaxNameBytes)
                throw new ArgumentException($"the name '{entry.Path[..40]}…' has {name.Length} bytes; the kernel takes at most {MaxNameBytes}");
            var header = string.Create(
                CultureInfo.InvariantCulture,
                $"{Magic}{entry.Inode:X8}{(int)entry.Kind | entry.Permissions:X8}{entry.UserId:X8}{entry.GroupId:X8}{entry.Links:X8}{entry.ModifiedSeconds:X8}{entry.Content.Length:X8}{3:X8}{1:X8}{entry.DeviceMajor:X8}{entry.DeviceMinor:X8}{name.Length + 1:X8}{0:X8}");
            Put(Encoding.ASCII.GetBytes(header));
            Put(name);
            Put([0]);
            Pad();
            Put(entry.Content.Span);
            Pad();
        }

        void Put(ReadOnlySpan<byte> bytes)
        {
            archive.Write(bytes);
            position += bytes.Length;
        }

        void Pad() => Put(stackalloc byte[(int)(-position & (Alignment - 1))]);
    }

    /// <summary>Reads an archive to its trailer.</summary>
    /// <exception cref="InvalidDataException">It is none, or ends early: where, and what was found.</exception>
    public static IReadOnlyList<CpioEntry> Read(ReadOnlyMemory<byte> archive)
    {
        var entries = new List<CpioEntry>();
        var position = 0;
        Span<uint> fields = stackalloc uint[13];
        while (true)
        {
            var start = position;
            var header = Take(HeaderBytes, "a header").Span;
            if (!header[..Magic.Length].SequenceEqual(Encoding.ASCII.GetBytes(Magic)))
                throw new InvalidDataException($"at byte {start} of the archive there is no header of the newc format");
            for (var i = 0; i < fields.Length; i++)
            {
                var digits = header.Slice(Magic.Length + (i * FieldDigits), FieldDigits);
                if (!uint.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out fields[i]))
                    throw new InvalidDataException($"at byte {start} of the archive a header's field {i} is '{Encoding.Latin1.GetString(digits)}', not a hexadecimal number");
            }
            var nameBytes = Take(fields[11], "a name").Span;
            if (nameBytes.Length is < 2 or > MaxNameBytes + 1 || nameBytes[^1] != 0)
                throw new InvalidDataException($"at byte {start} of the archive a name is empty, too long or not ended");
            var name = Encoding.UTF8.GetString(nameBytes[..^1]);
            Skip();
            var content = Take(fields[6], "a content");
            if (name == Trailer)
                return entries;
            Skip();
            entries.Add(new CpioEntry(name, (CpioKind)(fields[1] & 0xf000), (int)(fields[1] & 0xfff))
            {
                Inode = fields[0],
                UserId = fields[2],
                GroupId = fields[3],
                Links = fields[4],
                ModifiedSeconds = fields[5],
                DeviceMajor = fields[9],
                DeviceMinor = fields[10],
                Content = content,
            });
        }

        ReadOnlyMemory<byte> Take(uint count, string what)
        {
            if (count > archive.Length - position)
                throw new InvalidDataException($"the archive ends within {what} at byte {position}");
            var taken = archive.Slice(position, (int)count);
            position += (int)count;
            return taken;
        }

        void Skip() => Take((uint)Math.Min(-position & (Alignment - 1), archive.Length - position), "padding");
    }
}
