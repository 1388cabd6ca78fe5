using System.ComponentModel;
using System.Diagnostics;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Images;

/// <summary>Runs programs of the host: package tools, compressors, git, compilers.</summary>
public static class ExternalTool
{
    /// <summary>Lines of a failed tool's output that its message shows.</summary>
    private const int ShownLines = 12;

    /// <summary>Runs a program to its end and returns its standard output.</summary>
    /// <param name="hint">What to install when it is not there: <c>apt-get install zstd</c>.</param>
    /// <param name="variables">Set besides the inherited ones.</param>
    /// <param name="log">Gets all that it wrote, also when it fails; null: nobody.</param>
    /// <param name="input">Its standard input; null: empty.</param>
    /// <exception cref="UserException">It is not there, or failed: the message ends with what it said last.</exception>
    public static async Task<byte[]> RunAsync(
        IReadOnlyList<string> command, string hint, CancellationToken cancellation, string? folder = null, IReadOnlyDictionary<string, string>? variables = null,
        Stream? log = null, ReadOnlyMemory<byte> input = default)
    {
        // Else a path such as ./configure would be looked up from this process's folder.
        var program = folder is not null && command[0].Contains('/') ? Path.GetFullPath(command[0], Path.GetFullPath(folder)) : command[0];
        var start = new ProcessStartInfo(program, command.Skip(1))
        {
            WorkingDirectory = folder ?? "",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LC_ALL"] = "C";
        foreach (var (name, value) in variables ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        using var process = new Process { StartInfo = start };
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            throw new UserException($"'{command[0]}' cannot be started: {e.Message}. {hint}", ExitCode.Environment, e);
        }
        try
        {
            using var output = new MemoryStream();
            using var errors = new MemoryStream();
            var reading = Task.WhenAll(process.StandardOutput.BaseStream.CopyToAsync(output, cancellation), process.StandardError.BaseStream.CopyToAsync(errors, cancellation));
            try
            {
                await process.StandardInput.BaseStream.WriteAsync(input, cancellation);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It did not want all of it: its status tells whether that is an error.
            }
            await reading;
            await process.WaitForExitAsync(cancellation);
            if (log is not null)
            {
                log.Write(output.ToArray());
                log.Write(errors.ToArray());
            }
            return process.ExitCode == 0 ? output.ToArray() : throw Failure(command, process.ExitCode, errors, output);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    private static UserException Failure(IReadOnlyList<string> command, int status, MemoryStream errors, MemoryStream output)
    {
        var said = System.Text.Encoding.UTF8.GetString((errors.Length > 0 ? errors : output).ToArray()).TrimEnd().Split('\n');
        return new UserException($"{string.Join(' ', command.Take(4))} … ended with status {status}:\n{string.Join('\n', said.TakeLast(ShownLines))}", ExitCode.Environment);
    }
}
