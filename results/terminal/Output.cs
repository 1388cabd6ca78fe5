using Spectre.Console;

namespace Gauntlet.Terminal;

/// <summary>
/// How a command speaks: results to standard output, progress and errors to standard error. Live and in colour on a terminal; plain lines when
/// standard output is a pipe, <c>CI</c> is set or <c>TERM=dumb</c>; no colour with <c>NO_COLOR</c> (no-color.org).
/// </summary>
public sealed class Output
{
    public Output(TextWriter standardOutput, TextWriter standardError, bool live, bool colour)
    {
        Out = standardOutput;
        Error = standardError;
        Live = live;
        var settings = new AnsiConsoleSettings
        {
            Ansi = live || colour ? AnsiSupport.Yes : AnsiSupport.No,
            ColorSystem = colour ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = live ? InteractionSupport.Yes : InteractionSupport.No,
        };
        settings.Out = new AnsiConsoleOutput(standardOutput);
        Console = AnsiConsole.Create(settings);
        settings.Out = new AnsiConsoleOutput(standardError);
        ErrorConsole = AnsiConsole.Create(settings);
        if (!live)
            Console.Profile.Width = ErrorConsole.Profile.Width = PlainWidth;
    }

    /// <summary>Columns that plain output is laid out for.</summary>
    public const int PlainWidth = 140;

    public TextWriter Out { get; }

    public TextWriter Error { get; }

    /// <summary>A person watches: progress may redraw itself.</summary>
    public bool Live { get; }

    /// <summary>Tables and coloured text on standard output. Escape guest and user text with <c>Markup.Escape</c>.</summary>
    public IAnsiConsole Console { get; }

    /// <summary>The same on standard error.</summary>
    public IAnsiConsole ErrorConsole { get; }

    /// <summary>For this process's own standard output and error.</summary>
    public static Output ForProcess()
    {
        var ci = Environment.GetEnvironmentVariable("CI") is { Length: > 0 } value && value is not ("0" or "false");
        var live = !System.Console.IsOutputRedirected && !System.Console.IsErrorRedirected && !ci && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");
        var colour = live && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        return new Output(System.Console.Out, System.Console.Error, live, colour);
    }
}
