using System.Runtime.CompilerServices;
using System.Text;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Targets;

namespace Gauntlet.Fuzz.Tests.Triage;

/// <summary>Fails in every way that a run can, by the first byte of its input.</summary>
public sealed class FatalTarget : IFuzzTarget
{
    public Grammar? Grammar => null;

    public void Run(ReadOnlySpan<byte> input)
    {
        switch (input is [var first, ..] ? (char)first : '\0')
        {
            case 'S':
                Ping(input.Length);
                break;
            case 'F':
                Environment.FailFast($"stopped at 0x{input.Length:x}");
                break;
            case 'D':
                Environment.Exit(42);
                break;
            case 'H':
                while (true)
                {
                }
            case 'X':
                throw new InvalidOperationException("exception");
            case 'A':
                GC.KeepAlive(new byte[100 << 20]);
                break;
            case 'K':
                // The first time and the third, whichever processes they are in.
                using (var file = new FileStream(Encoding.UTF8.GetString(input[1..]), FileMode.Open, FileAccess.Write))
                {
                    file.Position = file.Length;
                    file.WriteByte(0);
                    if (file.Length % 2 == 1)
                        throw new InvalidOperationException("now and then");
                }
                break;
        }
    }

    public void Dispose() { }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Ping(int depth) => Pong(depth + 1) + depth;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static int Pong(int depth) => Ping(depth + 1) - depth;
}

/// <summary>Begins with an input that throws and one that ends the process.</summary>
public sealed class SeededFatalTarget : IFuzzTarget
{
    private readonly FatalTarget _target = new();

    public Grammar? Grammar => null;

    public IReadOnlyList<byte[]> Seeds => ["X"u8.ToArray(), "D"u8.ToArray()];

    public void Run(ReadOnlySpan<byte> input) => _target.Run(input);

    public void Dispose() => _target.Dispose();
}
