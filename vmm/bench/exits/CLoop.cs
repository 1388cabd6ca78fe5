using System.Diagnostics;
using System.Globalization;

namespace Gauntlet.Vmm.Bench.Exits;

/// <summary>The bare C loop, built with the host's cc, as a process that is told how many turns to make.</summary>
public sealed class CLoop : IDisposable
{
    private readonly Process _process;
    private readonly string _image = Path.Combine(Path.GetTempPath(), $"gauntlet-exits-{Guid.NewGuid():N}.img");

    /// <param name="program">From <see cref="Build"/>.</param>
    public CLoop(string program, ExitKind kind)
    {
        File.WriteAllBytes(_image, ExitGuest.Assemble(kind));
        _process = Process.Start(new ProcessStartInfo(program, [_image, kind.ToString()]) { RedirectStandardInput = true, RedirectStandardOutput = true })
            ?? throw new InvalidOperationException($"{program} did not start");
    }

    /// <summary>Compiles the program into a folder.</summary>
    /// <exception cref="InvalidOperationException">There is no C compiler, or it refuses.</exception>
    public static string Build(string folder)
    {
        var program = Path.Combine(folder, "exits");
        using var cc = Process.Start("cc", ["-O2", "-Wall", "-Werror", "-o", program, Path.Combine(AppContext.BaseDirectory, "exits.c")]);
        cc.WaitForExit();
        return cc.ExitCode == 0 ? program : throw new InvalidOperationException($"cc ended with {cc.ExitCode}");
    }

    public TurnTime Measure(int turns)
    {
        _process.StandardInput.WriteLine(turns.ToString(CultureInfo.InvariantCulture));
        _process.StandardInput.Flush();
        var answer = _process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("the C loop ended; its error is above");
        var space = answer.IndexOf(' ');
        return new TurnTime(double.Parse(answer.AsSpan(0, space), CultureInfo.InvariantCulture), double.Parse(answer.AsSpan(space), CultureInfo.InvariantCulture));
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
        File.Delete(_image);
    }
}
