using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Images;

/// <summary>
/// Reads the list of files that the kernel's <c>usr/gen_init_cpio</c> takes (its usage text; Linux, Documentation/filesystems/ramfs-rootfs-initramfs.rst): what an initramfs is to hold,
/// owners and device nodes too, without being root.
/// </summary>
/// <remarks>
/// <code>
/// # a comment
/// file NAME LOCATION MODE UID GID [HARD LINKS]
/// dir NAME MODE UID GID
/// nod NAME MODE UID GID TYPE MAJOR MINOR
/// slink NAME TARGET MODE UID GID
/// pipe NAME MODE UID GID
/// sock NAME MODE UID GID
/// </code>
/// Modes are octal; TYPE is b or c; <c>${VARIABLE}</c> in a LOCATION comes from the environment.
/// </remarks>
public static partial class InitramfsSpec
{
    /// <summary>Bytes of all files together.</summary>
    public const long MaxBytes = 2L << 30;

    private const int MaxPermissions = 0xfff;

    /// <param name="text">The list.</param>
    /// <param name="source">For messages.</param>
    /// <param name="folder">What relative locations are relative to.</param>
    /// <param name="variables">The environment.</param>
    /// <exception cref="UserException">A line cannot be understood, or a file not read: source, line, what was expected.</exception>
    public static IReadOnlyList<CpioEntry> Read(string text, string source, string folder, Func<string, string?> variables)
    {
        var entries = new List<CpioEntry>();
        long bytes = 0;
        foreach (var (index, line) in text.Split('\n').Index())
        {
            var words = line.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0 || words[0].StartsWith('#'))
                continue;
            var reader = new Line(string.Create(CultureInfo.InvariantCulture, $"{source}:{index + 1}"), words);
            entries.AddRange(reader.Entries(folder, variables));
            bytes += entries[^1].Content.Length;
            if (bytes > MaxBytes)
                throw reader.Error($"the files are together more than {MaxBytes >> 20} MiB");
        }
        return entries;
    }

    private sealed class Line(string place, string[] words)
    {
        public UserException Error(string message) => new($"{place}: {message}.");

        public IEnumerable<CpioEntry> Entries(string folder, Func<string, string?> variables)
        {
            var name = Name(1);
            switch (words[0])
            {
                case "file":
                    Count(6, int.MaxValue, "file NAME LOCATION MODE UID GID [HARD LINKS]");
                    var file = Owned(new CpioEntry(name, CpioKind.File, Permissions(3)), 4) with { Content = Load(words[2], folder, variables), Links = (uint)(words.Length - 5) };
                    if (file.Links == 1)
                        return [file];
                    // Links are one file by their inode number: it must be none that the writer gives.
                    file = file with { Inode = LinkInode(name) };
                    // As gen_init_cpio and cpio(1): the content comes with the last.
                    var names = Enumerable.Range(6, words.Length - 6).Select(Name).Prepend(name).ToList();
                    return names.Select((link, at) => file with { Path = link, Content = at == names.Count - 1 ? file.Content : default });
                case "dir":
                    Count(5, 5, "dir NAME MODE UID GID");
                    return [Owned(new CpioEntry(name, CpioKind.Directory, Permissions(2)), 3) with { Links = 2 }];
                case "nod":
                    Count(8, 8, "nod NAME MODE UID GID TYPE MAJOR MINOR");
                    var kind = words[5] switch { "c" => CpioKind.CharacterDevice, "b" => CpioKind.BlockDevice, var other => throw Error($"a device's type is b or c, not '{other}'") };
                    return [Owned(new CpioEntry(name, kind, Permissions(2)), 3) with { DeviceMajor = Number(6), DeviceMinor = Number(7) }];
                case "slink":
                    Count(6, 6, "slink NAME TARGET MODE UID GID");
                    return [Owned(new CpioEntry(name, CpioKind.SymbolicLink, Permissions(3)), 4) with { Content = Encoding.UTF8.GetBytes(words[2]) }];
                case "pipe":
                    Count(5, 5, "pipe NAME MODE UID GID");
                    return [Owned(new CpioEntry(name, CpioKind.Pipe, Permissions(2)), 3)];
                case "sock":
                    Count(5, 5, "sock NAME MODE UID GID");
                    return [Owned(new CpioEntry(name, CpioKind.Socket, Permissions(2)), 3)];
                default:
                    throw Error($"'{words[0]}' is none of file, dir, nod, slink, pipe and sock");
            }
        }

        private void Count(int least, int most, string form)
        {
            if (words.Length < least || words.Length > most)
                throw Error($"{words.Length} words, where '{form}' is expected");
        }

        private string Name(int at)
        {
            var name = at < words.Length ? words[at].TrimStart('/') : "";
            return name.Length > 0 && Encoding.UTF8.GetByteCount(name) <= CpioArchive.MaxNameBytes && name != "TRAILER!!!" && !name.Contains('\0')
                ? name
                : throw Error($"'{(at < words.Length ? words[at] : words[0])}' names no file; '/dev' would");
        }

        private int Permissions(int at)
        {
            var value = 0;
            foreach (var digit in words[at])
            {
                value = digit is >= '0' and <= '7' ? (value << 3) | (digit - '0') : int.MaxValue;
                if (value > MaxPermissions)
                    throw Error($"'{words[at]}' is no octal mode such as 0755");
            }
            return value;
        }

        private CpioEntry Owned(CpioEntry entry, int at) => entry with { UserId = Number(at), GroupId = Number(at + 1) };

        private uint Number(int at) => uint.TryParse(words[at], NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : throw Error($"'{words[at]}' is no number");

        private ReadOnlyMemory<byte> Load(string location, string folder, Func<string, string?> variables)
        {
            var path = Variable().Replace(location, match => variables(match.Groups[1].Value) ?? throw Error($"${{{match.Groups[1].Value}}} is not set"));
            path = Path.Combine(folder, path);
            try
            {
                return new FileInfo(path) is { Length: > MaxBytes } ? throw Error($"{path} is larger than {MaxBytes >> 20} MiB") : File.ReadAllBytes(path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new UserException($"{place}: '{path}' cannot be read: {e.Message}", inner: e);
            }
        }

        /// <summary>Away from the writer's numbers, and the same for the same name.</summary>
        private static uint LinkInode(string name) => 0x8000_0000 | (BitConverter.ToUInt32(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(name))) >> 1);
    }

    [GeneratedRegex(@"\$\{([^}]*)\}")]
    private static partial Regex Variable();
}
