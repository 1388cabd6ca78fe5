using FsCheck.Fluent;
using Gauntlet.Results.Store;
using Gauntlet.Results.Tests.Records;
using Gauntlet.Terminal;
using Npgsql;

namespace Gauntlet.Results.Tests.Store;

public sealed class StoreLocationTests
{
    [Theory]
    [InlineData("postgres://u:p%40ss@db.example:6543/results", "db.example", 6543, "u", "p@ss", "results", "gauntlet")]
    [InlineData("postgresql://[::1]/r?schema=team_a&sslmode=verify-full", "::1", 5432, null, null, "r", "team_a")]
    [InlineData("postgres://u@/r?host=%2Fvar%2Frun%2Fpostgresql", "/var/run/postgresql", 5432, "u", null, "r", "gauntlet")]
    public void A_connection_uri_is_read_as_libpq_reads_it(string uri, string host, int port, string? user, string? password, string database, string schema)
    {
        var settings = new NpgsqlConnectionStringBuilder(PostgresLocation.Parse(uri).ToConnectionString());
        Assert.Equal((host, port, user, password, database, schema), (settings.Host, settings.Port, settings.Username, settings.Password, settings.Database, settings.SearchPath));
    }

    [Fact]
    public void The_password_is_never_shown()
    {
        var location = PostgresLocation.Parse("postgres://u:secret@db.example/results");
        Assert.Equal("postgres://u@db.example/results", location.ToString());
    }

    [Theory]
    [InlineData("postgres://u:secret@host:port/db", "the port 'port' is not a number")]
    [InlineData("postgres://u:secret@host:70000/db", "the port '70000' is not a number")]
    [InlineData("postgres://u:se/cret@host/db", "it has not the form")]
    [InlineData("postgres://host/db?sslmode=maybe", "the sslmode 'maybe' is none of")]
    [InlineData("postgres://host/db?sslmode=99", "the sslmode '99' is none of")]
    [InlineData("postgres://host/db?schema=x;drop", "the schema 'x;drop' is not made of")]
    [InlineData("postgres://host/db?colour=red", "unknown key 'colour'")]
    public void A_malformed_one_says_what_is_wrong_without_the_password(string uri, string message)
    {
        var error = Assert.Throws<UserException>(() => ResultStore.Open(uri));
        Assert.Contains(message, error.Message);
        Assert.DoesNotContain("secret", error.Message);
    }

    [Fact]
    public void Whatever_is_given_is_read_or_refused()
    {
        Prop.ForAll(RecordGenerators.Text.ToArbitrary(), text =>
        {
            try
            {
                PostgresLocation.Parse("postgres://" + text).ToConnectionString();
            }
            catch (UserException)
            {
            }
        }).Holds();
    }

    [Fact]
    public void An_empty_location_is_refused() => Assert.Contains("is empty", Assert.Throws<UserException>(() => ResultStore.Open("")).Message);
}
