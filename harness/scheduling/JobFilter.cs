using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Gauntlet.Results.Comparing;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Scheduling;

/// <summary>
/// A pattern on jobs, as <c>--only</c> and <c>--skip</c> take it: <c>SUITE/CASE@CELL</c>, of which the case alone suffices (<c>apic*</c>, <c>cpu/*</c>, <c>*@qemu/kvm/*</c>).
/// <c>*</c> and <c>?</c> are wildcards; between slashes (<c>/^vmexit_(cpuid|ipi)$/</c>) it is a regular expression, sought in the case's name and in the whole.
/// </summary>
public sealed class JobPattern
{
    private static readonly TimeSpan MatchLimit = TimeSpan.FromSeconds(1);

    private readonly Regex? _expression;
    private readonly string? _suiteAndCase, _cell;
    private readonly bool _withSuite;

    /// <exception cref="UserException">It is empty, or a regular expression that cannot be read.</exception>
    public JobPattern(string text)
    {
        if (text.Length == 0)
            throw new UserException("A pattern of --only or --skip is empty.");
        try
        {
            if (text.Length > 2 && text[0] == '/' && text[^1] == '/')
            {
                _expression = new Regex(text[1..^1], RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, MatchLimit);
                return;
            }
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw new UserException($"The pattern {text} is no regular expression that is understood: {e.Message}", inner: e);
        }
        var at = text.IndexOf('@', StringComparison.Ordinal);
        var name = at < 0 ? text : text[..at];
        _withSuite = name.Contains('/', StringComparison.Ordinal);
        _suiteAndCase = name.Length == 0 ? null : name;
        _cell = at < 0 ? null : text[(at + 1)..];
    }

    public bool Matches(Job job)
    {
        if (_expression is not null)
            return _expression.IsMatch(job.Case) || _expression.IsMatch($"{job.Suite}/{job.Case}@{job.Cell}");
        if (_suiteAndCase is not null && !Wildcard.Matches(_suiteAndCase, _withSuite ? $"{job.Suite}/{job.Case}" : job.Case))
            return false;
        return _cell is null || Wildcard.Matches(_cell, job.Cell.ToString());
    }
}

/// <summary>A part of the jobs, for several machines to share a run: the same jobs fall into the same part wherever and whenever it is made.</summary>
/// <param name="Index">1 to <paramref name="Count"/>.</param>
public readonly record struct Shard(int Index, int Count)
{
    private const int MaxCount = 10_000;

    /// <summary>Reads <c>2/5</c>.</summary>
    /// <exception cref="UserException">It is not so.</exception>
    public static Shard Parse(string text)
    {
        var parts = text.Split('/');
        return parts.Length == 2 && int.TryParse(parts[0], out var index) && int.TryParse(parts[1], out var count) && index >= 1 && index <= count && count <= MaxCount
            ? new Shard(index, count)
            : throw new UserException($"--shard takes a part and a count such as 2/5, the part from 1 to the count and that at most {MaxCount}; not '{text}'.");
    }

    /// <summary>By a hash of its key, so that a case that is added moves no other.</summary>
    public bool Holds(Job job)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(job.Key), hash);
        return BitConverter.ToUInt64(hash) % (ulong)Count == (ulong)(Index - 1);
    }
}
