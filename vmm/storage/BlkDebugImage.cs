using System.Globalization;

namespace Gauntlet.Vmm.Storage;

/// <summary>When a request is to fail.</summary>
/// <param name="Event">As QEMU's blkdebug: <c>read_aio</c>, <c>write_aio</c>, <c>flush_to_disk</c>, <c>pwritev_zero</c>, <c>cor_write</c> and others that never come here.</param>
/// <param name="Sector">Only a request that touches this one; null: any.</param>
/// <param name="Once">The first one only.</param>
public sealed record BlkDebugRule(string Event, long? Sector = null, bool Once = false);

/// <summary>A disk whose requests fail by rules, for tests of what a guest and a device do about it (QEMU, docs/devel/blkdebug.txt, inject-error).</summary>
public sealed class BlkDebugImage(IBlockImage inner, IReadOnlyList<BlkDebugRule> rules) : IBlockImage
{
    /// <summary>Longest file of rules, in characters.</summary>
    public const int MaxConfigLength = 1 << 20;

    private const int SectorBytes = 512;

    private readonly bool[] _spent = new bool[rules.Count];

    public long Bytes => inner.Bytes;

    public bool IsReadOnly => inner.IsReadOnly;

    public bool TryRead(long offset, Span<byte> destination) => !Fails("read_aio", offset, destination.Length) && inner.TryRead(offset, destination);

    public bool TryWrite(long offset, ReadOnlySpan<byte> source) => !Fails("write_aio", offset, source.Length) && inner.TryWrite(offset, source);

    public bool TryFlush() => !Fails("flush_to_disk", 0, 0) && inner.TryFlush();

    public bool TryDiscard(long offset, long length) => inner.TryDiscard(offset, length);

    public bool TryWriteZeroes(long offset, long length, bool mayUnmap) => !Fails("pwritev_zero", offset, length) && inner.TryWriteZeroes(offset, length, mayUnmap);

    public bool TryResize(long bytes) => inner.TryResize(bytes);

    public void Dispose() => inner.Dispose();

    /// <summary>
    /// Reads a configuration: sections <c>[inject-error]</c> with <c>event</c>, <c>sector</c> and <c>once</c>; <c>errno</c> and <c>immediately</c> change nothing
    /// here.
    /// </summary>
    /// <exception cref="BlockImageException">Anything else; the message names the line.</exception>
    public static IReadOnlyList<BlkDebugRule> Parse(string text)
    {
        var rules = new List<BlkDebugRule>();
        var number = 0;
        foreach (var raw in text.Split('\n'))
        {
            number++;
            var line = raw.Trim();
            if (line.Length == 0 || line[0] == '#')
                continue;
            if (line == "[inject-error]")
            {
                rules.Add(new BlkDebugRule(""));
                continue;
            }
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0 || rules.Count == 0)
                throw Wrong("there is [inject-error], and below it event=, sector=, once=");
            var (key, value) = (line[..equals].Trim(), line[(equals + 1)..].Trim().Trim('"'));
            rules[^1] = key switch
            {
                "event" => rules[^1] with { Event = value },
                "sector" => rules[^1] with { Sector = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var sector) ? sector : throw Wrong("no sector") },
                "once" => rules[^1] with { Once = value is "on" or "yes" or "true" },
                "errno" or "immediately" or "iotype" => rules[^1],
                _ => throw Wrong($"there is no '{key}'"),
            };

            BlockImageException Wrong(string why) => new($"blkdebug, line {number} '{line}': {why}");
        }
        return rules;
    }

    private bool Fails(string what, long offset, long length)
    {
        for (var i = 0; i < rules.Count; i++)
        {
            var rule = rules[i];
            if (rule.Event != what || _spent[i] || (rule.Sector is { } sector && (sector < offset / SectorBytes || sector * SectorBytes >= offset + length)))
                continue;
            _spent[i] = rule.Once;
            return true;
        }
        return false;
    }
}
