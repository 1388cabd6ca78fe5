using System.Buffers.Binary;
using System.Text;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Images;

/// <summary>A kernel module to be loaded.</summary>
/// <param name="Content">Unpacked.</param>
public sealed record KernelModule(string Name, byte[] Content);

/// <summary>
/// Modules by name with those that they depend on, each after what it needs. A package has no modules.dep: depmod makes that where it is installed. So each module's own
/// <c>.modinfo</c> section is asked.
/// </summary>
public sealed class KernelModules
{
    private readonly Dictionary<string, string> _files;
    private readonly HashSet<string> _builtIn;
    private readonly string _folder;

    /// <param name="folder"><c>lib/modules/RELEASE</c>.</param>
    public KernelModules(string folder)
    {
        _folder = folder;
        _files = Directory.EnumerateFiles(folder, "*.ko*", SearchOption.AllDirectories).GroupBy(NameOf).ToDictionary(group => group.Key, group => group.First());
        var builtIn = Path.Combine(folder, "modules.builtin");
        _builtIn = File.Exists(builtIn) ? [.. File.ReadLines(builtIn).Select(NameOf)] : [];
    }

    /// <summary>In an order in which they can be loaded; what the kernel has built in is left out.</summary>
    /// <exception cref="UserException">There is no such module, or one is damaged.</exception>
    public async Task<IReadOnlyList<KernelModule>> ResolveAsync(IEnumerable<string> names, CancellationToken cancellation)
    {
        var loaded = new List<KernelModule>();
        var visited = new HashSet<string>();
        foreach (var name in names)
            await VisitAsync(name, name);
        return loaded;

        async Task VisitAsync(string name, string wantedBy)
        {
            name = NameOf(name);
            if (_builtIn.Contains(name) || !visited.Add(name))
                return;
            if (!_files.TryGetValue(name, out var file))
                throw new UserException($"The kernel of {_folder} has no module '{name}'{(name == NameOf(wantedBy) ? "" : $", which '{wantedBy}' depends on")}.");
            var content = await Compression.UnpackFileAsync(file, cancellation);
            foreach (var needed in DependenciesOf(content, file))
                await VisitAsync(needed, name);
            loaded.Add(new KernelModule(name, content));
        }
    }

    /// <summary>Module names have '_' where file names may have '-'.</summary>
    private static string NameOf(string file)
    {
        var name = Path.GetFileName(file);
        var end = name.IndexOf(".ko", StringComparison.Ordinal);
        return (end < 0 ? name : name[..end]).Replace('-', '_');
    }

    /// <summary>The <c>depends=</c> entry of the ELF section <c>.modinfo</c> (64-bit little-endian, as all architectures here are).</summary>
    internal static IReadOnlyList<string> DependenciesOf(ReadOnlySpan<byte> elf, string file)
    {
        try
        {
            var sections = (int)BinaryPrimitives.ReadUInt64LittleEndian(elf[0x28..]);
            var (size, count, names) = (U16(elf, 0x3a), U16(elf, 0x3c), U16(elf, 0x3e));
            var strings = Section(elf, sections + (names * size));
            for (var index = 0; index < count; index++)
            {
                var header = sections + (index * size);
                var name = strings[(int)BinaryPrimitives.ReadUInt32LittleEndian(elf[header..])..];
                if (!name.StartsWith(".modinfo\0"u8))
                    continue;
                foreach (var entry in Encoding.ASCII.GetString(Section(elf, header)).Split('\0'))
                {
                    if (entry.StartsWith("depends=", StringComparison.Ordinal))
                        return entry["depends=".Length..].Split(',', StringSplitOptions.RemoveEmptyEntries);
                }
            }
            return [];
        }
        catch (Exception e) when (e is ArgumentOutOfRangeException or OverflowException)
        {
            throw new UserException($"'{file}' is no kernel module, or a damaged one: its ELF headers point outside of it.", inner: e);
        }

        static int U16(ReadOnlySpan<byte> elf, int at) => BinaryPrimitives.ReadUInt16LittleEndian(elf[at..]);

        static ReadOnlySpan<byte> Section(ReadOnlySpan<byte> elf, int header) =>
            elf.Slice(checked((int)BinaryPrimitives.ReadUInt64LittleEndian(elf[(header + 0x18)..])), checked((int)BinaryPrimitives.ReadUInt64LittleEndian(elf[(header + 0x20)..])));
    }
}
