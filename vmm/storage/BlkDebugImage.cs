using System.Globalization;

namespace Gauntlet.Vmm.Storage;

/// <summary>When a request is to fail, or what a request changes.</summary>
/// <param name="Event">As QEMU's blkdebug: <c>read_aio</c>, <c>write_aio</c>, <c>flush_to_os</c>, <c>flush_to_disk</c>, <c>pwritev_zero</c>; others never come here.</param>
/// <param name="Sector">Only a request that touches this one; null: any.</param>
/// <param name="Once">The first one only.</param>
/// <param name="State">Only while the disk's rules are in this state, which is 1 at first; 0: in any.</param>
/// <param name="NewState">The request does not fail: the rules are in this state afterwards.</param>
public sealed record BlkDebugRule(string Event, long? Sector = null, bool Once = false, int State = 0, int? NewState = null);

/// <summary>
/// A disk whose requests fail by rules, or wait at breakpoints, for tests of what a guest and a device do about it (QEMU, docs/devel/blkdebug.txt,
/// inject-error and "Suspending requests").
/// </summary>
public sealed class BlkDebugImage(IBlockImage inner, IReadOnlyList<BlkDebugRule> rules) : IBlockImage
{
    /// <summary>Longest file of rules, in characters.</summary>
    public const int MaxConfigLength = 1 << 20;

    private const int SectorBytes = 512;

    /// <summary>Breakpoints at a time.</summary>
    public const int MaxBreakpoints = 256;

    private readonly Lock _gate = new();
    private int _state = 1;
    private readonly bool[] _spent = new bool[rules.Count];
    private readonly List<Breakpoint> _breakpoints = [];

    private sealed record Breakpoint(string Event, string Tag)
    {
        public bool HoldsBack { get; set; }
    }

    /// <summary>A request waits at a breakpoint: it told that it failed, and is to be tried again after <see cref="RemoveBreakpoint"/>.</summary>
    public bool IsHoldingBack
    {
        get
        {
            lock (_gate)
                return _breakpoints.Exists(static point => point.HoldsBack);
        }
    }

    public long Bytes => inner.Bytes;

    public bool IsReadOnly => inner.IsReadOnly;

    public bool TryRead(long offset, Span<byte> destination) => !Fails("read_aio", offset, destination.Length) && inner.TryRead(offset, destination);

    public bool TryWrite(long offset, ReadOnlySpan<byte> source) => !Fails("write_aio", offset, source.Length) && inner.TryWrite(offset, source);

    public bool TryFlush() => !Fails("flush_to_os", 0, 0) && !Fails("flush_to_disk", 0, 0) && inner.TryFlush();

    public bool TryDiscard(long offset, long length) => inner.TryDiscard(offset, length);

    public bool TryWriteZeroes(long offset, long length, bool mayUnmap) => !Fails("pwritev_zero", offset, length) && inner.TryWriteZeroes(offset, length, mayUnmap);

    public bool TryResize(long bytes) => inner.TryResize(bytes);

    public void Dispose() => inner.Dispose();

    /// <summary>Has the next request of a kind wait.</summary>
    /// <param name="tag">By which it is let go.</param>
    /// <exception cref="BlockImageException">There are too many.</exception>
    public void AddBreakpoint(string what, string tag)
    {
        lock (_gate)
        {
            if (_breakpoints.Count == MaxBreakpoints)
                throw new BlockImageException($"there are {MaxBreakpoints} breakpoints already");
            _breakpoints.Add(new Breakpoint(what, tag));
        }
    }

    /// <summary>Lets what waits there go, once it is tried again; false when there is none of that tag.</summary>
    public bool RemoveBreakpoint(string tag)
    {
        lock (_gate)
            return _breakpoints.RemoveAll(point => point.Tag == tag) > 0;
    }

    /// <summary>As <see cref="Parse"/>, of a file, or of a pipe that somebody fills later.</summary>
    /// <exception cref="BlockImageException">It cannot be read, or is no configuration.</exception>
    public static IReadOnlyList<BlkDebugRule> ReadRules(string path)
    {
        try
        {
            using var reader = new StreamReader(path);
            var text = new char[MaxConfigLength];
            return Parse(new string(text, 0, reader.ReadBlock(text)));
        }
        catch (Exception why) when (why is IOException or UnauthorizedAccessException)
        {
            throw new BlockImageException($"Could not read blkdebug config file: {why.Message}");
        }
    }

    /// <summary>
    /// Reads a configuration: sections <c>[inject-error]</c> with <c>event</c>, <c>state</c>, <c>sector</c> and <c>once</c>, <c>[set-state]</c> with <c>event</c>,
    /// <c>state</c> and <c>new_state</c>; <c>errno</c> and <c>immediately</c> change nothing here.
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
            if (line is "[inject-error]" or "[set-state]")
            {
                rules.Add(new BlkDebugRule("", NewState: line == "[set-state]" ? 0 : null));
                continue;
            }
            var equals = line.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0 || rules.Count == 0)
                throw Wrong("there are [inject-error], and below it event=, state=, sector=, once=, and [set-state], with event=, state=, new_state=");
            var (key, value) = (line[..equals].Trim(), line[(equals + 1)..].Trim().Trim('"'));
            rules[^1] = key switch
            {
                "event" => rules[^1] with { Event = value },
                "sector" => rules[^1] with { Sector = long.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var sector) ? sector : throw Wrong("no sector") },
                "state" => rules[^1] with { State = State(value) },
                "new_state" when rules[^1].NewState is not null => rules[^1] with { NewState = State(value) },
                "once" => rules[^1] with { Once = value is "on" or "yes" or "true" },
                "errno" or "immediately" or "iotype" => rules[^1],
                _ => throw Wrong($"there is no '{key}'"),
            };

            int State(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var state) ? state : throw Wrong("no state");

            BlockImageException Wrong(string why) => new($"blkdebug, line {number} '{line}': {why}");
        }
        return rules;
    }

    private bool Fails(string what, long offset, long length)
    {
        lock (_gate)
        {
            foreach (var point in _breakpoints)
            {
                if (point.Event == what)
                    return point.HoldsBack = true;
            }
        }
        var (state, fails) = (_state, false);
        for (var i = 0; i < rules.Count; i++)
        {
            var rule = rules[i];
            if (rule.Event != what || _spent[i] || (rule.State != 0 && rule.State != state)
                || (rule.Sector is { } sector && (sector < offset / SectorBytes || sector * SectorBytes >= offset + length)))
                continue;
            if (rule.NewState is { } newState)
            {
                _state = newState;
                continue;
            }
            _spent[i] = rule.Once;
            fails = true;
        }
        return fails;
    }
}
