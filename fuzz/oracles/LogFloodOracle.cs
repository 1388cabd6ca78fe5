using System.Text;

namespace Gauntlet.Fuzz.Oracles;

/// <summary>
/// A guest must not fill its host's log: what a program's accesses make devices write to standard error are a few lines at most, as of something that is told once or so often
/// a second. gvmm's devices write nothing there: traces go where their user asked for them, the guest's faults show in registers.
/// </summary>
internal sealed class LogFloodOracle
{
    /// <summary>Lines that one program may cause.</summary>
    public const int MostLines = 8;

    private static readonly Lock s_gate = new();
    private static TextWriter? s_watched;

    // Whose run the thread is in: other threads may write what they like.
    [ThreadStatic]
    private static LogFloodOracle? t_current;

    private readonly Func<string> _running;
    private string _last = "";
    private int _lines;

    /// <param name="running">Names the device at work.</param>
    public LogFloodOracle(Func<string> running)
    {
        _running = running;
        lock (s_gate)
        {
            if (ReferenceEquals(Console.Error, s_watched))
                return;
            Console.SetError(new WatchedWriter(Console.Error));
            s_watched = Console.Error;
        }
    }

    /// <summary>Before a program.</summary>
    public void Restart() => _lines = 0;

    /// <summary>What this thread writes is the program's doing, until <see cref="Leave"/>.</summary>
    public void Enter() => t_current = this;

    /// <summary>However it went.</summary>
    public static void Leave() => t_current = null;

    private void Note(ReadOnlySpan<char> text)
    {
        if (text.ContainsAnyExcept('\r', '\n'))
            _last = text.Trim().ToString();
        _lines += text.Count('\n');
        if (_lines <= MostLines)
            return;
        var device = _running();
        throw new OracleException($"log flood {device}", $"{device}: more than {MostLines} lines of one program's making on standard error: say it once, or so often a second. The last is: {_last}");
    }

    /// <summary>Keeps what a run makes its thread write from the log, and passes the rest on.</summary>
    private sealed class WatchedWriter(TextWriter inner) : TextWriter
    {
        public override Encoding Encoding => inner.Encoding;

        public override void Write(char value) => Write([value]);

        public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

        public override void Write(string? value) => Write(value.AsSpan());

        public override void Write(ReadOnlySpan<char> buffer)
        {
            if (t_current is { } run)
                run.Note(buffer);
            else
                inner.Write(buffer);
        }

        public override void Flush() => inner.Flush();
    }
}
